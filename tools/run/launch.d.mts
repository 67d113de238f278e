/** What every program of ours runs with. */
export declare const NODE_FLAGS: readonly string[];
