export declare const writeReport: (name: string, markdown: string) => Promise<void>;
