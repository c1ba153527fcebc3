import type {
  AccountRequest,
  Attempt,
  Channel,
  Chunk,
  Driver,
  DriverName,
  Drivers,
  EchoRequest,
  Engine,
  EngineStream,
  ErrorCode,
  Outcome,
  Prewarmed,
  RequestOf,
  ResponseOf,
  Result,
  Spec,
  SshRequest,
  SshResponse,
} from 'keylane';
import { KeylaneError } from 'keylane';
import { expectTypeOf, test } from 'vitest';

/** As docs/drivers.md says that a program does it. */
declare module 'keylane' {
  interface Drivers {
    ftp: { request: { host: string; path: string }; response: { bytes: Uint8Array } };
  }
}

// Checked by `tsc -p test/tsconfig.json`; what is never called here never runs.
const engine = {} as Engine;
type Ask = Parameters<typeof engine.run<'ssh'>>;

test('run resolves with the response of its driver', () => {
  expectTypeOf<ReturnType<typeof engine.run<'ssh'>>>().toEqualTypeOf<Promise<SshResponse>>();
  expectTypeOf<SshResponse['code']>().toEqualTypeOf<number | null>();
  expectTypeOf<SshResponse['signal']>().toEqualTypeOf<string | null>();
  expectTypeOf<SshResponse['stdout']>().toEqualTypeOf<string | Buffer>();
  expectTypeOf<ReturnType<typeof engine.run<'echo'>>>().resolves.toHaveProperty('payload');
});

test('a request is checked against its driver', () => {
  expectTypeOf<Ask[1]>().toEqualTypeOf<SshRequest | AccountRequest>();
  expectTypeOf<{ account: string; command: string }>().toExtend<Ask[1]>();
  expectTypeOf<AccountRequest>().not.toHaveProperty('host');
  expectTypeOf<Parameters<typeof engine.run<'echo'>>[1]>().toEqualTypeOf<EchoRequest>();
  expectTypeOf<{ host: string; command: string }>().toExtend<SshRequest>();
  expectTypeOf<{ host: string; argv: readonly string[] }>().toExtend<SshRequest>();
  expectTypeOf<{ command: string }>().not.toExtend<SshRequest>();
  expectTypeOf<{ host: string; port: string }>().not.toExtend<SshRequest>();
  const wrong = () => [
    // @ts-expect-error no such driver
    engine.run('gopher', { host: 'a' }),
    // @ts-expect-error a field that ssh does not have
    engine.run('ssh', { host: 'a', command: 'b', comand: 'c' }),
    // @ts-expect-error an option that run does not have
    engine.run('ssh', { host: 'a', command: 'b' }, { concurrency: 5 }),
  ];
  expectTypeOf(wrong).toBeFunction();
});

test('a driver of one’s own joins by declaration merging', () => {
  expectTypeOf<'ftp'>().toExtend<DriverName>();
  expectTypeOf<RequestOf<'ftp'>>().toEqualTypeOf<{ host: string; path: string }>();
  expectTypeOf<ResponseOf<'ftp'>>().toEqualTypeOf<{ bytes: Uint8Array }>();
  expectTypeOf<ReturnType<typeof engine.run<'ftp'>>>().toEqualTypeOf<Promise<{ bytes: Uint8Array }>>();
  expectTypeOf<Drivers['ssh']['request']>().toEqualTypeOf<SshRequest>();
});

test('a batch gives back the requests that it was given, and the responses of its driver', () => {
  type Batch = ReturnType<typeof engine.batch<'ssh'>>;
  type One = Batch extends AsyncIterableIterator<infer R> ? R : never;
  expectTypeOf<One>().toEqualTypeOf<Result<SshRequest, SshResponse>>();
  expectTypeOf<One['outcome']>().toEqualTypeOf<Outcome>();
  expectTypeOf<One['response']>().toEqualTypeOf<SshResponse | undefined>();
  expectTypeOf<One['error']>().toEqualTypeOf<KeylaneError | undefined>();
  expectTypeOf<One['history']>().toEqualTypeOf<Attempt[]>();
});

test('a stream is iterated for chunks, and ends with the response', () => {
  type Stream = ReturnType<typeof engine.stream<'ssh'>>;
  expectTypeOf<Stream>().toEqualTypeOf<EngineStream<SshResponse>>();
  expectTypeOf<Stream>().toExtend<AsyncIterable<Chunk>>();
  expectTypeOf<Stream['response']>().resolves.toEqualTypeOf<SshResponse>();
  expectTypeOf<Chunk>().toEqualTypeOf<{ channel: Channel; data: Buffer }>();
});

test('an engine can be disposed of, and prewarm tells what failed', () => {
  expectTypeOf<Engine>().toExtend<AsyncDisposable>();
  expectTypeOf<ReturnType<typeof engine.prewarm<'ssh'>>>().resolves.toEqualTypeOf<Prewarmed>();
  expectTypeOf<Prewarmed['failed']>().toEqualTypeOf<KeylaneError[]>();
});

test('the code of an error is one of a closed list', () => {
  expectTypeOf<KeylaneError['code']>().toEqualTypeOf<ErrorCode>();
  expectTypeOf<'ERR_TIMEOUT'>().toExtend<ErrorCode>();
  expectTypeOf<'ERR_WHATEVER'>().not.toExtend<ErrorCode>();
  // @ts-expect-error a code that is not in the table
  const wrong = () => new KeylaneError('ERR_WHATEVER');
  expectTypeOf(wrong).toBeFunction();
});

test('the two halves of a driver agree by their types', () => {
  interface Target {
    host: string;
  }
  expectTypeOf<Parameters<Driver<Target>['open']>[0]>().toEqualTypeOf<Target>();
  expectTypeOf<Parameters<Spec<SshRequest, string, SshResponse>['parse']>[0]>().toEqualTypeOf<SshRequest>();
});
