import { constants, createPublicKey, verify } from 'node:crypto';

/** Below this a modulus can be factored; jose asks for the same (RFC 7518 §3.5). */
const modulusBitsMin = 2048;

/**
 * Whether a JWS in compact form carries a RSASSA-PSS signature by this key. OPA 0.70 salts as long as the key allows, where
 * RFC 7518 §3.5 wants the salt as long as the hash, and jose takes nothing else; a salt of any length is as safe. The caller
 * has checked the header's `alg`. Throws where the key is none.
 * @param publicKey PEM
 * @param hash `sha256`, `sha384`, `sha512`
 */
export function verifyPss(token: string, publicKey: string, hash: string): boolean {
  const key = createPublicKey({ key: publicKey, format: 'pem' });
  const bits = key.asymmetricKeyDetails?.modulusLength ?? 0;
  if (key.asymmetricKeyType !== 'rsa' || bits < modulusBitsMin) {
    throw new Error(`it is no RSA key of at least ${modulusBitsMin} bits`);
  }
  const end = token.lastIndexOf('.');
  const options = {
    key,
    padding: constants.RSA_PKCS1_PSS_PADDING,
    saltLength: constants.RSA_PSS_SALTLEN_AUTO,
  };
  const signature = Buffer.from(token.slice(end + 1), 'base64url');
  return verify(hash, Buffer.from(token.slice(0, end)), options, signature);
}
