/** The SDK's clients, tuned as its documentation tells. */

/** Makes a client whose middleware is put together once for each command, and not again for each call. */
export const tuned = (Client, options = {}) => new Client({ cacheMiddleware: true, ...options });

/** What one attempt may take. */
export const within = (requestTimeout) => ({ requestTimeout, connectionTimeout: 700, throwOnRequestTimeout: true });
