using System.Collections.Concurrent;
using System.Diagnostics.CodeAnalysis;
using System.Runtime.InteropServices;

namespace OrleansCache.Nix;

/// <summary>
/// The functions of zstd's stable API, from libzstd or from its port to C#. A context belongs to the library that made it.
/// </summary>
internal abstract unsafe class ZstdLibrary
{
    public const int CompressionLevel = 100;
    public const int ContentSizeFlag = 200;
    public const int ChecksumFlag = 201;
    public const int Workers = 400;
    public const int JobSize = 401;
    public const int WindowLogMax = 100;
    public const int ResetSession = 1;
    public const int ResetSessionAndParameters = 3;

    /// <summary>The library of new contexts. Only tests set it.</summary>
    public static ZstdLibrary Current { get; set; } = Find();

    /// <summary>Name and version, for people.</summary>
    public abstract string Name { get; }

    /// <summary>Rentable contexts, each at the start of a frame.</summary>
    public ContextPool<ZstdCompressor> Compressors { get; } = new();

    /// <inheritdoc cref="Compressors"/>
    public ContextPool<ZstdDecompressor> Decompressors { get; } = new();

    public abstract nuint CompressBound(nuint size);

    public abstract nint CreateCompressor();

    public abstract nuint FreeCompressor(nint context);

    public abstract nuint SetParameter(nint context, int parameter, int value);

    public abstract nuint SetPledgedSize(nint context, ulong size);

    public abstract nuint ResetCompressor(nint context, int directive);

    public abstract nuint Compress(nint context, byte* target, nuint targetSize, byte* source, nuint sourceSize);

    public abstract nuint CompressStream(nint context, Buffer* output, Buffer* input, int end);

    public abstract nint CreateDecompressor();

    public abstract nuint FreeDecompressor(nint context);

    public abstract nuint SetDecompressorParameter(nint context, int parameter, int value);

    public abstract nuint SizeOfDecompressor(nint context);

    public abstract nuint ResetDecompressor(nint context, int directive);

    public abstract nuint DecompressStream(nint context, Buffer* output, Buffer* input);

    /// <exception cref="InvalidDataException">The result is one of zstd's error codes.</exception>
    public nuint Check(nuint result) => FindError(result) is { } name ? throw new InvalidDataException($"zstd: {name}.") : result;

    /// <summary>The name of an error code, null for any other result.</summary>
    protected abstract string? FindError(nuint result);

    // Tried by a call, as there is no file to look for where libzstd is linked into the program.
    private static ZstdLibrary Find()
    {
        try
        {
            var native = new NativeZstd();
            _ = native.Name;
            return native;
        }
        catch (Exception e) when (e is DllNotFoundException or EntryPointNotFoundException or BadImageFormatException)
        {
            return new PortedZstd();
        }
    }

    /// <summary>ZSTD_inBuffer and ZSTD_outBuffer.</summary>
    [StructLayout(LayoutKind.Sequential)]
    public struct Buffer
    {
        public byte* Data;
        public nuint Size;
        public nuint Position;
    }

    /// <summary>Keeps as many contexts as can ever work at once.</summary>
    internal sealed class ContextPool<T>
        where T : class
    {
        private static readonly int Limit = Math.Max(4, Environment.ProcessorCount * 2);

        private readonly ConcurrentBag<T> _contexts = [];
        private int _count;

        public bool TryTake([NotNullWhen(true)] out T? context)
        {
            if (!_contexts.TryTake(out context))
                return false;
            Interlocked.Decrement(ref _count);
            return true;
        }

        public bool TryAdd(T context)
        {
            if (Interlocked.Increment(ref _count) <= Limit)
            {
                _contexts.Add(context);
                return true;
            }

            Interlocked.Decrement(ref _count);
            return false;
        }
    }
}
