/**
 * The part of the WebAssembly API that is used here: TypeScript declares it in its `dom` library only, which a server
 * does not have. The exports are those of OPA's WebAssembly ABI 1.
 */
declare namespace WebAssembly {
  type Module = { readonly [Symbol.toStringTag]: string };
  type Memory = { readonly buffer: ArrayBuffer };
  type MemoryDescriptor = { initial: number; maximum?: number };
  type Instance = {
    readonly exports: {
      /** The address of an object of the builtins that the host must bring. */
      readonly builtins: () => number;
      /** The address of a value as JSON text, ended by a zero byte. */
      readonly opa_json_dump: (address: number) => number;
    };
  };
  type WebAssemblyInstantiatedSource = { readonly instance: Instance; readonly module: Module };
  function compile(bytes: Uint8Array<ArrayBuffer>): Promise<Module>;
}
