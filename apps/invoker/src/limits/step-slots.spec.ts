import { describe, expect, it } from '@jest/globals';
import { StepSlots } from './step-slots.js';

const soon = (): number => Date.now() + 10_000;

describe('slots of a function', () => {
  it('are given up to the cap, then in the order of waiting', async () => {
    const slots = new StepSlots();
    const cap = () => 2;
    expect([slots.take('f', cap, soon()), slots.take('f', cap, soon())]).toEqual([true, true]);
    const order: number[] = [];
    const waiting = [1, 2].map(async (number) => {
      expect(await slots.take('f', cap, soon())).toBe(true);
      order.push(number);
    });
    slots.release('f', cap);
    await waiting[0];
    expect(order).toEqual([1]);
    slots.release('f', cap);
    await Promise.all(waiting);
    expect(order).toEqual([1, 2]);
  });

  it('are not waited for beyond the last moment', async () => {
    const slots = new StepSlots();
    expect(slots.take('f', () => 1, soon())).toBe(true);
    expect(await slots.take('f', () => 1, Date.now() + 20)).toBe(false);
    slots.release('f', () => 1);
    expect(slots.take('f', () => 1, soon())).toBe(true);
  });

  it('follow a cap that changes', async () => {
    const slots = new StepSlots();
    let max = 1;
    const cap = () => max;
    expect(slots.take('f', cap, soon())).toBe(true);
    const waiting = [1, 2].map(async () => slots.take('f', cap, soon()));
    max = 2;
    slots.release('f', cap);
    expect(await Promise.all(waiting)).toEqual([true, true]);
  });

  it('are each function’s own', () => {
    const slots = new StepSlots();
    expect([slots.take('f', () => 1, soon()), slots.take('g', () => 1, soon())]).toEqual([true, true]);
  });
});
