import type { InventoryOptions } from './inventory.js';
import type { Inventory, InventorySource } from './types.js';

export type { InventoryOptions } from './inventory.js';

/**
 * Reads hosts and groups from one source or several. Of several, the later add to the earlier, and their variables count
 * more. The result is frozen.
 *
 * @throws KeylaneError `ERR_CONFIG`: file, line and what was expected · `ERR_CONFIG_UNSUPPORTED` what cannot be followed
 */
export async function loadInventory(
  source: InventorySource | readonly InventorySource[],
  options: InventoryOptions = {},
): Promise<Inventory> {
  // With its parsers it takes 70 ms to load, which a program without an inventory must not wait for.
  const inventory = await import('./inventory.js');
  return inventory.loadInventory(source, options);
}
