using System.Diagnostics;
using System.Security.Cryptography;
using OrleansCache.Nix;

namespace OrleansCache.Bench;

/// <summary>
/// What this machine needs at least for a set's NARs: SHA-256 of the bytes, zstd at level 3, SHA-256 of what comes out; from memory, on all
/// processors, with nothing read from the file system, sent, checked or stored. Large NARs are cut into pieces, so that no processor ever
/// waits for another: no real push can do that, as the hash of one NAR is computed by one processor.
/// </summary>
internal static class MachineLimit
{
    private const int PieceBytes = 16 << 20;
    private const int StepBytes = 256 << 10;

    /// <summary>Wall seconds and processor seconds.</summary>
    /// <param name="nars">Files in memory.</param>
    public static (double Wall, double Cpu) Measure(IReadOnlyList<string> nars)
    {
        var pieces = nars.SelectMany(Cut).OrderByDescending(piece => piece.Length).ToArray();
        var next = -1;
        var cpu = Process.GetCurrentProcess().TotalProcessorTime;
        var begun = Stopwatch.GetTimestamp();
        var threads = Enumerable.Range(0, Environment.ProcessorCount).Select(_ => new Thread(Work)).ToArray();
        foreach (var thread in threads)
            thread.Start();
        foreach (var thread in threads)
            thread.Join();
        var wall = Stopwatch.GetElapsedTime(begun).TotalSeconds;
        return (wall, (Process.GetCurrentProcess().TotalProcessorTime - cpu).TotalSeconds);

        void Work()
        {
            var input = new byte[StepBytes];
            var output = new byte[Zstd.CompressBound(StepBytes)];
            using var before = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
            using var after = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
            for (int i; (i = Interlocked.Increment(ref next)) < pieces.Length;)
                Compress(pieces[i], input, output, before, after);
        }
    }

    private static void Compress(Piece piece, byte[] input, byte[] output, IncrementalHash before, IncrementalHash after)
    {
        using var file = File.OpenHandle(piece.File);
        using var compressor = ZstdCompressor.Rent(Zstd.DefaultLevel);
        compressor.SetPledgedSize(piece.Length);
        for (var at = 0L; at < piece.Length;)
        {
            var read = RandomAccess.Read(file, input.AsSpan(0, (int)Math.Min(StepBytes, piece.Length - at)), piece.Offset + at);
            if (read == 0)
                throw new BenchException($"{piece.File} became shorter");
            at += read;
            before.AppendData(input, 0, read);
            var rest = input.AsSpan(0, read);
            var end = at == piece.Length ? ZstdEnd.Frame : ZstdEnd.Continue;
            for (var done = false; !done;)
            {
                done = compressor.Compress(rest, output, end, out var consumed, out var written);
                rest = rest[consumed..];
                after.AppendData(output, 0, written);
            }
        }

        before.GetHashAndReset();
        after.GetHashAndReset();
    }

    private static IEnumerable<Piece> Cut(string file)
    {
        var length = new FileInfo(file).Length;
        for (var offset = 0L; offset < length; offset += PieceBytes)
            yield return new Piece(file, offset, Math.Min(PieceBytes, length - offset));
    }

    private readonly record struct Piece(string File, long Offset, long Length);
}
