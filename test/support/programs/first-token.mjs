// Takes the first token of the data directory given, at the moment given (milliseconds of the wall clock), and prints it.
import { createService } from 'keylane/server';

const [dataDir, at] = process.argv.slice(2);
while (Date.now() < Number(at));
const service = await createService({ port: 0, engine: { shards: 1, dataDir } });
console.log(service.token);
await service.close();
