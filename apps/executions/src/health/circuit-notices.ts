/**
 * Tells when the first circuit of a function opens in a lane, and when the last is closed again. What was told is kept, so that each opening has
 * its closing, also by a reset, or of a worker that is gone: of those nobody says a word, so what is open is looked at again and again.
 */
import { Injectable } from '@nestjs/common';
import { RegistryCache } from '@cf/registry-cache';
import type { EntityManager } from 'typeorm';
import type { NewNotification } from '../notifications/notification.js';
import { type CircuitWord, FunctionCircuits } from './function-circuits.repository.js';
import { byFunction, type FunctionOf, placeOf } from './function-of.js';
import { latestWords } from './latest-words.js';
import { voidUntil } from './void-until.js';

/** Functions that are looked at in one turn, in some 10 ms; with more that are open at once each has its turn a little later. */
const LOOKED_AT_MAX = 500;

@Injectable()
export class CircuitNotices {
  private last: FunctionOf | null = null;

  constructor(
    private readonly circuits: FunctionCircuits,
    private readonly registry: RegistryCache,
  ) {}

  /** Of functions whose workers said something. */
  async hear(manager: EntityManager, words: readonly CircuitWord[]): Promise<NewNotification[]> {
    if (words.length === 0) return [];
    await this.circuits.save(manager, latestWords(words));
    return this.changes(manager, [...byFunction(words).values()].map(placeOf));
  }

  /** Of the next functions that were told to be open. */
  async lookAgain(manager: EntityManager): Promise<NewNotification[]> {
    const open = await this.circuits.openAfter(manager, this.last, LOOKED_AT_MAX);
    this.last = open[LOOKED_AT_MAX - 1] ?? null;
    return open.length === 0 ? [] : this.changes(manager, open);
  }

  private async changes(manager: EntityManager, functions: readonly FunctionOf[]): Promise<NewNotification[]> {
    const heard = functions.map((place) => ({
      ...place,
      voidUntil: voidUntil(this.registry.cloudFunction(place.orgId, place.cloudFunctionId)),
    }));
    const changes = await this.circuits.change(manager, heard);
    return changes.map(({ lane, ...change }) => ({ ...change, count: 1, details: { lane } }));
  }
}
