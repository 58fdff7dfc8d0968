using System.Runtime.InteropServices;

namespace OrleansCache.Nix;

/// <summary>The machine's libzstd, or one that is linked into the program.</summary>
internal sealed unsafe partial class NativeZstd : ZstdLibrary
{
    public override string Name => $"libzstd {Marshal.PtrToStringUTF8(Api.Version())}";

    public override nuint CompressBound(nuint size) => Api.CompressBound(size);

    public override nint CreateCompressor() => Api.CreateCompressor();

    public override nuint FreeCompressor(nint context) => Api.FreeCompressor(context);

    public override nuint SetParameter(nint context, int parameter, int value) => Api.SetParameter(context, parameter, value);

    public override nuint SetPledgedSize(nint context, ulong size) => Api.SetPledgedSize(context, size);

    public override nuint ResetCompressor(nint context, int directive) => Api.ResetCompressor(context, directive);

    public override nuint Compress(nint context, byte* target, nuint targetSize, byte* source, nuint sourceSize) =>
        Api.Compress(context, target, targetSize, source, sourceSize);

    public override nuint CompressStream(nint context, Buffer* output, Buffer* input, int end) =>
        Api.CompressStream(context, output, input, end);

    public override nint CreateDecompressor() => Api.CreateDecompressor();

    public override nuint FreeDecompressor(nint context) => Api.FreeDecompressor(context);

    public override nuint SetDecompressorParameter(nint context, int parameter, int value) =>
        Api.SetDecompressorParameter(context, parameter, value);

    public override nuint SizeOfDecompressor(nint context) => Api.SizeOfDecompressor(context);

    public override nuint ResetDecompressor(nint context, int directive) => Api.ResetDecompressor(context, directive);

    public override nuint DecompressStream(nint context, Buffer* output, Buffer* input) =>
        Api.DecompressStream(context, output, input);

    protected override string? FindError(nuint result) =>
        Api.IsError(result) == 0 ? null : Marshal.PtrToStringUTF8(Api.GetErrorName(result));

    private static partial class Api
    {
        private const string Library = "libzstd.so.1";

        [LibraryImport(Library, EntryPoint = "ZSTD_versionString")]
        public static partial nint Version();

        [LibraryImport(Library, EntryPoint = "ZSTD_isError")]
        [SuppressGCTransition]
        public static partial uint IsError(nuint code);

        [LibraryImport(Library, EntryPoint = "ZSTD_getErrorName")]
        public static partial nint GetErrorName(nuint code);

        [LibraryImport(Library, EntryPoint = "ZSTD_compressBound")]
        public static partial nuint CompressBound(nuint size);

        [LibraryImport(Library, EntryPoint = "ZSTD_createCCtx")]
        public static partial nint CreateCompressor();

        [LibraryImport(Library, EntryPoint = "ZSTD_freeCCtx")]
        public static partial nuint FreeCompressor(nint context);

        [LibraryImport(Library, EntryPoint = "ZSTD_CCtx_setParameter")]
        public static partial nuint SetParameter(nint context, int parameter, int value);

        [LibraryImport(Library, EntryPoint = "ZSTD_CCtx_setPledgedSrcSize")]
        public static partial nuint SetPledgedSize(nint context, ulong size);

        [LibraryImport(Library, EntryPoint = "ZSTD_CCtx_reset")]
        public static partial nuint ResetCompressor(nint context, int directive);

        [LibraryImport(Library, EntryPoint = "ZSTD_compress2")]
        public static partial nuint Compress(nint context, byte* target, nuint targetSize, byte* source, nuint sourceSize);

        [LibraryImport(Library, EntryPoint = "ZSTD_compressStream2")]
        public static partial nuint CompressStream(nint context, Buffer* output, Buffer* input, int end);

        [LibraryImport(Library, EntryPoint = "ZSTD_createDCtx")]
        public static partial nint CreateDecompressor();

        [LibraryImport(Library, EntryPoint = "ZSTD_freeDCtx")]
        public static partial nuint FreeDecompressor(nint context);

        [LibraryImport(Library, EntryPoint = "ZSTD_DCtx_setParameter")]
        public static partial nuint SetDecompressorParameter(nint context, int parameter, int value);

        [LibraryImport(Library, EntryPoint = "ZSTD_sizeof_DCtx")]
        public static partial nuint SizeOfDecompressor(nint context);

        [LibraryImport(Library, EntryPoint = "ZSTD_DCtx_reset")]
        public static partial nuint ResetDecompressor(nint context, int directive);

        [LibraryImport(Library, EntryPoint = "ZSTD_decompressStream")]
        public static partial nuint DecompressStream(nint context, Buffer* output, Buffer* input);
    }
}
