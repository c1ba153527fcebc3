/** What a walk's exit status says. Anything else, and any signal, is damage too: that is what the walk is for. */
export const WALK_EXIT = { whole: 0, damaged: 3, unable: 4 } as const;
