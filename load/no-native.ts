// Loaded by `node --import`, in every thread: ssh2 then finds neither its native crypto nor cpu-features, as where npm may
// not run install scripts. Both are optional to ssh2, which asks for them in a try.
import Module from 'node:module';

const HIDDEN = /\/sshcrypto\.node$|^cpu-features$/;

const internals = Module as unknown as { _resolveFilename(request: string, ...rest: unknown[]): string };
const resolveFilename = internals._resolveFilename;

internals._resolveFilename = (request, ...rest) => {
  if (HIDDEN.test(request)) {
    throw Object.assign(new Error(`hidden by load/: ${request}`), { code: 'MODULE_NOT_FOUND' });
  }
  return resolveFilename.call(Module, request, ...rest);
};
