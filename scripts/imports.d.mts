export interface Rule {
  files: string[];
  may: string[];
  types?: string[];
  not?: string[];
}
export const RULES: Rule[];
export const PACKAGES: Record<string, string[]>;
export function violations(files: Record<string, string>): string[];
export function sources(): Record<string, string>;
