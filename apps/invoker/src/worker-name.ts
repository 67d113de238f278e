import { hostname } from 'node:os';

/** Names this process where an operator looks for it: the host (the pod, in Kubernetes) and the process id. */
export const WORKER_NAME = `${hostname()}-${process.pid}`;
