import { describe, expect, it } from '@jest/globals';
import { cutText } from './cut-text.js';

describe('cutText', () => {
  it('leaves alone what fits', () => expect(cutText('añb', 4)).toBe('añb'));

  it.each([
    ['añb', 2, 'a'],
    ['añb', 3, 'añ'],
    ['😀😀', 7, '😀'],
    ['😀', 3, ''],
  ])('cuts %s at %d bytes between characters', (text, bytesMax, cut) => expect(cutText(text, bytesMax)).toBe(cut));
});
