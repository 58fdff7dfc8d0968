using ZstdSharp.Unsafe;

namespace OrleansCache.Nix;

/// <summary>
/// ZstdSharp, zstd's port to C#, for machines without a loadable libzstd. It reads and writes the same data with more processor time.
/// </summary>
internal sealed unsafe class PortedZstd : ZstdLibrary
{
    public override string Name => $"ZstdSharp {Methods.ZSTD_versionString()}";

    public override nuint CompressBound(nuint size) => Methods.ZSTD_compressBound(size);

    public override nint CreateCompressor() => (nint)Methods.ZSTD_createCCtx();

    public override nuint FreeCompressor(nint context) => Methods.ZSTD_freeCCtx((ZSTD_CCtx_s*)context);

    public override nuint SetParameter(nint context, int parameter, int value) =>
        Methods.ZSTD_CCtx_setParameter((ZSTD_CCtx_s*)context, (ZSTD_cParameter)parameter, value);

    public override nuint SetPledgedSize(nint context, ulong size) => Methods.ZSTD_CCtx_setPledgedSrcSize((ZSTD_CCtx_s*)context, size);

    public override nuint ResetCompressor(nint context, int directive) =>
        Methods.ZSTD_CCtx_reset((ZSTD_CCtx_s*)context, (ZSTD_ResetDirective)directive);

    public override nuint Compress(nint context, byte* target, nuint targetSize, byte* source, nuint sourceSize) =>
        Methods.ZSTD_compress2((ZSTD_CCtx_s*)context, target, targetSize, source, sourceSize);

    public override nuint CompressStream(nint context, Buffer* output, Buffer* input, int end) =>
        Methods.ZSTD_compressStream2((ZSTD_CCtx_s*)context, (ZSTD_outBuffer_s*)output, (ZSTD_inBuffer_s*)input, (ZSTD_EndDirective)end);

    public override nint CreateDecompressor() => (nint)Methods.ZSTD_createDCtx();

    public override nuint FreeDecompressor(nint context) => Methods.ZSTD_freeDCtx((ZSTD_DCtx_s*)context);

    public override nuint SetDecompressorParameter(nint context, int parameter, int value) =>
        Methods.ZSTD_DCtx_setParameter((ZSTD_DCtx_s*)context, (ZSTD_dParameter)parameter, value);

    public override nuint SizeOfDecompressor(nint context) => Methods.ZSTD_sizeof_DCtx((ZSTD_DCtx_s*)context);

    public override nuint ResetDecompressor(nint context, int directive) =>
        Methods.ZSTD_DCtx_reset((ZSTD_DCtx_s*)context, (ZSTD_ResetDirective)directive);

    public override nuint DecompressStream(nint context, Buffer* output, Buffer* input) =>
        Methods.ZSTD_decompressStream((ZSTD_DCtx_s*)context, (ZSTD_outBuffer_s*)output, (ZSTD_inBuffer_s*)input);

    protected override string? FindError(nuint result) => Methods.ZSTD_isError(result) ? Methods.ZSTD_getErrorName(result) : null;
}
