/**
 * dropbear 2022.82 to 2024.85 takes a session whose command it has not yet started for one that has ended, when another
 * one's command ends at that moment: it closes the channel without an exit status, or ends itself (its issues 173 and 321).
 * With 8 commands at once on a connection one in five was lost that way, to OpenSSH's client as well; with one, none.
 */
const ONE_AT_A_TIME = /^dropbear_(2022\.8[23]|2024\.8[45])$/;

/** Sessions that a connection to this software may have at once. */
export function sessionsAtOnce(software: string | undefined): number {
  return software !== undefined && ONE_AT_A_TIME.test(software) ? 1 : Number.POSITIVE_INFINITY;
}
