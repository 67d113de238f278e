import { isIP } from 'node:net';
import { DUPLICATE_WINDOW, lane, type Lane } from '@cf/contract';
import type { ConsumerGroupLimits, WindowQuota } from '@cf/messaging';
import { readConfig, whole } from '@cf/service-kit';
import { z } from 'zod';

export const INVOKER_CONFIG = Symbol('INVOKER_CONFIG');

const names = z.string().transform((text) => [
  ...new Set(
    text
      .split(',')
      .map((name) => name.trim())
      .filter((name) => name !== ''),
  ),
]);
const lanes = names.pipe(z.array(lane).min(1, 'must name `step`, `trigger` or both'));

const isServer = (text: string): boolean => {
  const [, bracketed, port] = /^\[([^\]]+)\](?::(\d{1,5}))?$/.exec(text) ?? /^([\d.]+)(?::(\d{1,5}))?$/.exec(text) ?? [];
  return isIP(bracketed ?? text) !== 0 && Number(port ?? 53) <= 65_535;
};
const dnsServers = names.pipe(z.array(z.string().refine(isServer, 'must read `address` or `address:port`, comma between')));

export const invokerSchema = z.object({
  /** Lanes that this process serves; a deployment for each keeps a storm of triggers away from people who wait. */
  INVOKER_LANES: lanes.default([...lane.options]),
  /**
   * Calls at once. One process makes some 10,000 calls/s, so 1,000 keep it busy at 100 ms a call; more only helps where endpoints
   * are slower, and costs memory: a call holds its request and up to 64 KiB of answer.
   */
  INVOKER_STEP_CALLS_MAX: whole(1, 10_000).default(1_000),
  INVOKER_TRIGGER_CALLS_MAX: whole(1, 10_000).default(1_000),
  /**
   * Trigger requests in memory, running ones included; the partitions stop above it. More lets more functions be found behind one that
   * is slow; a request is 1 KiB as a rule, and all together may take 64 MiB.
   */
  INVOKER_TRIGGER_WINDOW_RECORDS: whole(100, 1_000_000).default(20_000),
  /**
   * ms that calls of a function take before it may hold only a part of that window: what it works off in `INVOKER_QUOTA_WORKS_OFF_MS`.
   * Its surplus is deferred and comes back a few at a time. Lower defers functions that are merely slow.
   */
  INVOKER_QUOTA_CALL_MS: whole(10, 60_000).default(3_000),
  INVOKER_QUOTA_WORKS_OFF_MS: whole(100, 600_000).default(30_000),
  /**
   * How far back a new owner of a trigger partition reads to know what was called already, the smaller of the two. Beyond it the
   * customer's endpoint has to drop a repetition by its id. 100,000 records take about 10 MB for each owned partition.
   */
  INVOKER_DUPLICATE_WINDOW_MS: whole(0, 24 * 60 * 60_000).default(DUPLICATE_WINDOW.ms),
  INVOKER_DUPLICATE_WINDOW_RECORDS: whole(1, 10_000_000).default(DUPLICATE_WINDOW.records),
  /**
   * Calls that probe a function whose circuit is half-open, and successes that close it. One may be luck; more keep a function that is
   * called rarely half-open for longer.
   */
  INVOKER_CIRCUIT_PROBES: whole(1, 100).default(3),
  /**
   * ms of a half-open circuit in which only triggers probe, where this process serves both lanes. 0 takes steps as probes at once, so a
   * person waits for a call that may fail; more keeps a function without triggers closed to steps for longer.
   */
  INVOKER_CIRCUIT_STEPS_WAIT_MS: whole(0, 30_000).default(2_000),
  /**
   * DNS servers for customers' hosts, `address` or `address:port`, `[address]:port` for IPv6, comma between; unset: the system's.
   * One of their own keeps names of the inside (a cluster's services) from being found at all.
   */
  INVOKER_DNS_SERVERS: dnsServers.default([]),
});

export interface InvokerConfig {
  readonly lanes: readonly Lane[];
  readonly callsMax: Readonly<Record<Lane, number>>;
  readonly triggerWindow: { readonly records: number; readonly quota: WindowQuota };
  readonly circuitProbes: number;
  readonly stepsWaitMs: number;
  readonly dnsServers: readonly string[];
  readonly duplicateWindow: { readonly ms: number; readonly records: number };
}

/** Throws `InvalidSettingsError` naming the bad setting. */
export const readInvokerConfig = (variables: Readonly<Record<string, string | undefined>> = process.env): InvokerConfig => {
  const env = readConfig(invokerSchema, variables);
  return {
    lanes: env.INVOKER_LANES,
    callsMax: { step: env.INVOKER_STEP_CALLS_MAX, trigger: env.INVOKER_TRIGGER_CALLS_MAX },
    triggerWindow: {
      records: env.INVOKER_TRIGGER_WINDOW_RECORDS,
      quota: { callMs: env.INVOKER_QUOTA_CALL_MS, worksOffMs: env.INVOKER_QUOTA_WORKS_OFF_MS },
    },
    circuitProbes: env.INVOKER_CIRCUIT_PROBES,
    stepsWaitMs: env.INVOKER_CIRCUIT_STEPS_WAIT_MS,
    dnsServers: env.INVOKER_DNS_SERVERS,
    duplicateWindow: { ms: env.INVOKER_DUPLICATE_WINDOW_MS, records: env.INVOKER_DUPLICATE_WINDOW_RECORDS },
  };
};

/** The longest call takes 30 s and its result a moment; beside the HTTP drain it fits the 40 s of a stop (wire.md §1). */
const DRAIN_MS = 31_000;

/** Twenty times the calls lie in memory: others have to be found behind a function whose calls take long. */
const STEP_WINDOW_CALLS = 20;

export const groupLimits = (config: InvokerConfig, of: Lane): ConsumerGroupLimits => ({
  maxInFlight: config.callsMax[of],
  maxBufferedBytes: 64 * 1024 * 1024,
  drainTimeoutMs: DRAIN_MS,
  ...(of === 'step'
    ? { maxBufferedRecords: STEP_WINDOW_CALLS * config.callsMax.step, onRevoke: 'complete-running' }
    : {
        maxBufferedRecords: config.triggerWindow.records,
        quota: config.triggerWindow.quota,
        onRevoke: 'drain',
        onOffsetOutOfRange: 'stop',
      }),
});
