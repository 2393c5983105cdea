/**
 * Imported before anything that makes a schema: tells zod not to compile its parsers with `new Function`, which the page's
 * Content-Security-Policy forbids (and would report).
 */
import { config } from 'zod';

config({ jitless: true });
