import { z } from 'zod';
import type { Probe } from '../http/probe-origin.js';
import type { ReadToken } from '../oauth/read-token.js';

/** One part of a connection that was tried. `detail` says what was found or what is wrong, and holds nothing secret. */
export const connectionStep = z.object({
  name: z.enum(['address', 'connect', 'tls', 'token']),
  ok: z.boolean(),
  durationMs: z.number(),
  detail: z.string().nullable(),
});
export type ConnectionStep = z.infer<typeof connectionStep>;

const between = (fromMs: number, toMs: number): number => Math.round((toMs - fromMs) * 10) / 10;

/** The steps of a connection up to the one that failed. */
export const connectionSteps = (probe: Probe, isSecure: boolean): ConnectionStep[] => {
  const { vettedMs, connectedMs, securedMs, endedMs, failure } = probe;
  const step = (name: ConnectionStep['name'], fromMs: number, atMs: number | null, found: string | null = null): ConnectionStep => ({
    name,
    ok: atMs !== null,
    durationMs: between(fromMs, atMs ?? endedMs),
    detail: atMs === null ? failure : found,
  });
  const steps = [step('address', 0, vettedMs)];
  if (vettedMs !== null) steps.push(step('connect', vettedMs, connectedMs));
  if (isSecure && connectedMs !== null) steps.push(step('tls', connectedMs, securedMs, probe.protocol));
  return steps;
};

export const tokenStep = (answer: ReadToken, durationMs: number): ConnectionStep => ({
  name: 'token',
  ok: answer.ok,
  durationMs: between(0, durationMs),
  detail: answer.ok ? `a Bearer token, used for ${Math.round(answer.usableForMs / 1_000)} s` : answer.detail,
});

/** A step that could not even be tried. */
export const refusedStep = (name: ConnectionStep['name'], detail: string): ConnectionStep => ({ name, ok: false, durationMs: 0, detail });
