// Runs a command that does not end by the transport openssh, and says when it runs. Its argument: the login, as JSON.
import { createEngine } from 'keylane';

const engine = await createEngine({ shards: 1 });
const stream = engine.stream('ssh', { ...JSON.parse(process.argv[2]), command: 'echo running; sleep 60' });
stream.response.catch(() => undefined);
for await (const { data } of stream) process.stdout.write(data);
