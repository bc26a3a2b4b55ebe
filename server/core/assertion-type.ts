/** How a client says that its assertion is a JWT. Source: RFC 7523 2.2 */
export const ASSERTION_TYPE = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer';
