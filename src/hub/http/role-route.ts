/** The shape of a route of the operator API once its role is fixed: it is checked, and the actor handed on. */
import type { RouteContext, RouteSpec } from '../../platform/http/api.ts';
import type { Actor } from '../services.ts';
import type { Caller } from './operator-auth.ts';

export type RoleRoute = <Answer, Params = undefined, Query = undefined, Body = undefined>(
  spec: RouteSpec<Params, Query, Body, Answer>,
  handler: (context: RouteContext<Caller, Params, Query, Body>, actor: Actor) => Promise<Answer>,
) => void;
