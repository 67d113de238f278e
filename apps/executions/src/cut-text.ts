/** The longest beginning of a text that takes at most so many bytes of UTF-8, never half a character. */
export const cutText = (text: string, bytesMax: number): string => {
  const bytes = Buffer.from(text);
  if (bytes.length <= bytesMax) return text;
  let end = bytesMax;
  while (end > 0 && ((bytes[end] ?? 0) & 0xc0) === 0x80) end--;
  return bytes.toString('utf8', 0, end);
};
