/** Draws a part of a long list again only when one of its properties is another one. */
import { Component, type ComponentType, type FunctionComponent } from 'preact';

export function memo<P extends object>(Part: FunctionComponent<P>): ComponentType<P> {
  return class Memo extends Component<P> {
    override shouldComponentUpdate(next: Readonly<P>): boolean {
      return differ(this.props, next);
    }
    override render() {
      return <Part {...this.props} />;
    }
  };
}

function differ(before: object, after: object): boolean {
  const [old, now] = [Object.values(before), Object.values(after)];
  // Made by one place, so the names stand in one order.
  return old.length !== now.length || old.some((value, index) => !Object.is(value, now[index]));
}
