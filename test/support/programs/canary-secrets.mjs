// Runs requests with secrets in them into every kind of error, and prints all that a program could log of it: each error
// with its causes, each event, each warning. What it is to do comes as JSON on stdin, so that no secret is in its own
// arguments or environment. On fd 3: how each ended, a line of JSON each.
import { readFileSync, writeSync } from 'node:fs';
import { inspect } from 'node:util';
import { createEngine } from 'keylane';

const { env, ssh, scenarios, drivers } = JSON.parse(readFileSync(0, 'utf8'));
Object.assign(process.env, env);

function log(what) {
  console.log(inspect(what, { depth: 10, showHidden: true, maxArrayLength: null, maxStringLength: null }));
  console.log(JSON.stringify(what));
  for (let error = what; error instanceof Error; error = error.cause) {
    console.log(`${error}\n${error.message}\n${error.stack}\n${JSON.stringify({ ...error })}`);
  }
}

process.on('warning', log);
process.on('uncaughtException', log);

async function end(name, call) {
  let ended = 'ok';
  let stdout;
  try {
    ({ stdout } = (await call()) ?? {});
  } catch (error) {
    log(error);
    ended = `${error.code} ${error.outcome}`;
  }
  writeSync(3, `${JSON.stringify({ name, ended, stdout })}\n`);
}

for (const { name, options } of scenarios.filter(({ options }) => options)) {
  await end(name, async () => {
    const engine = await createEngine(options);
    await engine.destroy();
  });
}

const engine = await createEngine({
  shards: 1,
  drivers,
  ssh,
  maxQueued: 4,
  maxInFlight: 4,
  limits: { inFlightPerKey: 2, queuedPerKey: 2, breaker: { failures: 1 } },
  onEvent: log,
});
for (const { name, kind = 'run', driver = 'ssh', request, how = {}, abortMs, beside } of scenarios) {
  if (request === undefined) continue;
  const signal = abortMs === undefined ? undefined : AbortSignal.timeout(abortMs);
  const one = () => engine.run(driver, request, { timeoutMs: 8_000, ...how, ...(signal && { signal }) });
  if (kind === 'run') await end(name, one);
  if (kind === 'crowd') await Promise.all(Array.from({ length: 12 }, () => end(name, one)));
  if (kind === 'beside') {
    const held = end(name, one);
    await new Promise((resolve) => AbortSignal.timeout(1_000).addEventListener('abort', resolve));
    await Promise.all([held, end(`${name}, the other`, () => engine.run(beside.driver, beside.request))]);
  }
  if (kind === 'batch') {
    for await (const { outcome, error, request: _, ...result } of engine.batch(driver, [request], how)) {
      if (error) log(error);
      log({ ...result, response: undefined });
      writeSync(3, `${JSON.stringify({ name, ended: `${error?.code} ${outcome}` })}\n`);
    }
  }
  if (kind === 'stream') {
    await end(name, async () => {
      const stream = engine.stream(driver, { ...request, stdin: undefined }, { timeoutMs: 8_000, ...how });
      await stream.write(request.stdin);
      for await (const _ of stream);
      return stream.response;
    });
  }
  if (kind === 'prewarm') {
    const { failed } = await engine.prewarm(driver, [request]);
    for (const error of failed) log(error);
    writeSync(3, `${JSON.stringify({ name, ended: failed.map(({ code }) => code).join() })}\n`);
  }
}
log(await engine.stats());
await engine.close();
