const REASONS: Record<string, string> = {
  FORBIDDEN_TARGET: 'target_not_public',
  ECONNREFUSED: 'connection_refused',
  ECONNRESET: 'connection_reset',
  EPIPE: 'connection_reset',
  ENOTFOUND: 'name_not_resolved',
  EAI_AGAIN: 'name_not_resolved',
  ETIMEDOUT: 'timeout',
  EHOSTUNREACH: 'unreachable',
  ENETUNREACH: 'unreachable',
};

/**
 * Why a request has failed, as one of our own codes: the message of an error may name addresses and certificates that callers
 * must not see.
 */
export function connectionFailure(error: NodeJS.ErrnoException): string {
  const code = error.code ?? '';
  return REASONS[code] ?? (/CERT|TLS|SSL|SIGNATURE|ISSUER/.test(code) ? 'tls_failed' : 'connection_failed');
}
