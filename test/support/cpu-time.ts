/**
 * Milliseconds of CPU that this process spends on `act`, the least of so many tries. Unlike the time on the wall it does not
 * grow because other processes want the machine.
 */
export function cpuMs(act: () => void, tries = 3): number {
  let least = Number.POSITIVE_INFINITY;
  for (let left = tries; left > 0; left--) {
    const before = process.cpuUsage();
    act();
    const { user, system } = process.cpuUsage(before);
    least = Math.min(least, (user + system) / 1_000);
  }
  return least;
}
