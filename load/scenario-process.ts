// Runs one scenario and tells its report to run.ts, which forked this process.
import { availableParallelism } from 'node:os';
import { hasNativeBinding } from './native.js';
import { judge, Missing, type Report, type Scenario } from './scenario.js';

export type ScenarioSays = { report: Report } | { failed: string };

const [name, size] = process.argv.slice(2);
const { scenario } = (await import(new URL(`./scenarios/${name}.js`, import.meta.url).href)) as { scenario: Scenario };

// run.ts has gone: nobody would hear the report, and the measured programs would stay.
process.once('disconnect', () => process.exit(1));
process.send?.(await report(), () => process.exit(0));

async function report(): Promise<ScenarioSays> {
  try {
    const { targets, notes = [], ...measured } = await scenario.measure({ short: size === 'short' });
    const judged = targets.map(judge);
    const report: Report = {
      scenario: scenario.name,
      fixture: scenario.fixture,
      ...measured,
      targets: judged,
      reached: judged.every(({ reached }) => reached !== false),
      notes,
      cores: availableParallelism(),
      node: process.version,
      native: hasNativeBinding() ? 'yes' : 'no',
      date: new Date().toISOString(),
    };
    return { report };
  } catch (error) {
    return { failed: error instanceof Missing ? error.message : ((error as Error).stack ?? String(error)) };
  }
}
