/** Runs work on many things side by side, at most so many at once. After a failure nothing new is begun. */
export const forEach = async (things, atOnce, work) => {
  const waiting = things[Symbol.iterator]();
  let failure;
  const worker = async () => {
    while (!failure) {
      const { done, value } = waiting.next();
      if (done) return;
      try {
        await work(value);
      } catch (error) {
        failure ??= { error };
      }
    }
  };
  // What is under way is awaited: nothing is left running that could write later.
  await Promise.all(Array.from({ length: atOnce }, worker));
  if (failure) throw failure.error;
};
