interface TcpHandle {
  connect(request: unknown, address: string, port: number): number;
  connect6(request: unknown, address: string, port: number): number;
}

/** Below everything that Node offers for connections: what is called here becomes a SYN. */
const { TCP } = (process as unknown as { binding(name: 'tcp_wrap'): { TCP: { prototype: TcpHandle } } }).binding('tcp_wrap');

/** Records the addresses that this process dials from now on, until `stop`. */
export const recordDials = (): { readonly addresses: string[]; readonly stop: () => void } => {
  const { connect, connect6 } = TCP.prototype;
  const addresses: string[] = [];
  TCP.prototype.connect = function (request, address, port) {
    addresses.push(address);
    return connect.call(this, request, address, port);
  };
  TCP.prototype.connect6 = function (request, address, port) {
    addresses.push(address);
    return connect6.call(this, request, address, port);
  };
  return { addresses, stop: () => Object.assign(TCP.prototype, { connect, connect6 }) };
};
