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

function differ(a: object, b: object): boolean {
  const before = new Map(Object.entries(a));
  const after = Object.entries(b);
  return before.size !== after.length || after.some(([name, value]) => !Object.is(before.get(name), value));
}
