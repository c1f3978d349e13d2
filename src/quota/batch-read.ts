/**
 * Reads that arrive while one is under way go together in the next one: many
 * questions, one query. An answer always comes from a query that began after the
 * question was asked.
 */
export interface BatchRead<Key, Value> {
  /** @throws what the query threw, to all who wait for it */
  read(key: Key): Promise<Value | undefined>;
}

export interface BatchReadOptions<Key, Value> {
  textOf(key: Key): string;
  /** One query. Answers by the keys' texts; a missing one is `undefined` to its reader. */
  query(keys: readonly Key[]): Promise<ReadonlyMap<string, Value>>;
  readonly maxKeys: number;
}

interface Question<Key, Value> {
  readonly key: Key;
  readonly answer: PromiseWithResolvers<Value | undefined>;
}

export function createBatchRead<Key, Value>(options: BatchReadOptions<Key, Value>): BatchRead<Key, Value> {
  const waiting = new Map<string, Question<Key, Value>>();
  let running = false;

  const run = async () => {
    // A later turn of the event loop: what this one asks is in the first query.
    await new Promise<void>((next) => setImmediate(next));
    while (waiting.size > 0) {
      const batch = [...waiting].slice(0, options.maxKeys);
      for (const [text] of batch) waiting.delete(text);
      try {
        const answers = await options.query(batch.map(([, question]) => question.key));
        for (const [text, question] of batch) question.answer.resolve(answers.get(text));
      } catch (error) {
        for (const [, question] of batch) question.answer.reject(error);
      }
    }
    running = false;
  };

  return {
    read: (key) => {
      const text = options.textOf(key);
      const known = waiting.get(text);
      if (known) return known.answer.promise;
      const question = { key, answer: Promise.withResolvers<Value | undefined>() };
      waiting.set(text, question);
      if (!running) {
        running = true;
        void run();
      }
      return question.answer.promise;
    },
  };
}
