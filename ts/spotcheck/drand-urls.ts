/** Public relays of drand's evmnet beacon. */
export const DRAND_URLS: readonly string[] = [
  "https://api.drand.sh/v2/beacons/evmnet",
  "https://api2.drand.sh/v2/beacons/evmnet",
  "https://drand.cloudflare.com/v2/beacons/evmnet",
];
