/**
 * Waits for a condition: tries `assertion` until it stops throwing, and lets its last error out after `timeoutMs`.
 * Returns what the assertion returned.
 */
export const eventually = async <T>(assertion: () => T | Promise<T>, timeoutMs = 15_000, everyMs = 20): Promise<T> => {
  const giveUpAt = Date.now() + timeoutMs;
  for (;;) {
    try {
      return await assertion();
    } catch (error) {
      if (Date.now() > giveUpAt) throw error;
      await new Promise((resolve) => setTimeout(resolve, everyMs));
    }
  }
};
