/** Times on the wire: ISO 8601 in UTC with milliseconds. */
import { z } from 'zod';

export const Time = z.iso.datetime({ precision: 3 });
