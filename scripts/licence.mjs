// The licence of a package that goes with ours, as a comment above its code: whoever has our package needs no other for it.
import { readFileSync } from 'node:fs';
import { root } from './stamp.mjs';

export function licenceOf(name) {
  return `/*!\n${readFileSync(new URL(`node_modules/${name}/LICENSE`, root), 'utf8').trim()}\n*/\n`;
}
