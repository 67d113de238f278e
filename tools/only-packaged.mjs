/** Loaded before a program: it may import only the packages that the image holds, listed in CF_PACKAGED. */
import { registerHooks } from 'node:module';

const packaged = new Set(process.env.CF_PACKAGED.split(','));

registerHooks({
  resolve(specifier, context, next) {
    const resolved = next(specifier, context);
    const [, name] = /.*\/node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(resolved.url) ?? [];
    if (name !== undefined && !packaged.has(name)) throw new Error(`${name} is not in the image`);
    return resolved;
  },
});
