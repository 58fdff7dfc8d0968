using System.Collections.Concurrent;
using System.Diagnostics;
using System.Text;
using OrleansCache.Cli.Import;
using OrleansCache.Nix;

namespace OrleansCache.Cli.Tests.Import;

/// <summary>A binary cache in memory, in the form that Nix writes.</summary>
internal sealed class FakeSource : ISource
{
    public static readonly SecretKey Key = SecretKey.Generate("old-1");

    public ConcurrentDictionary<string, byte[]> Objects { get; } = new() { ["nix-cache-info"] = "StoreDir: /nix/store\n"u8.ToArray() };

    public ConcurrentQueue<string> Asked { get; } = [];

    public string Name => "the old cache";

    public bool Lists { get; init; } = true;

    public static StorePath PathOf(string name) => new(StorePathHash.FromBytes(
        Sha256Hash.Compute(Encoding.UTF8.GetBytes(name)).ToArray().AsSpan(..StorePathHash.ByteLength)), name);

    /// <summary>A signed path with one file; the narinfo may be changed before and after it is signed.</summary>
    public NarInfo Add(string name, string[]? references = null, string compression = "zstd", int size = 100,
        Func<NarInfo, NarInfo>? before = null, Func<NarInfo, NarInfo>? after = null, SecretKey? key = null)
    {
        var nar = Nar(name, size);
        var (file, ending) = compression switch
        {
            "zstd" => (Zstd.Compress(nar), ".zst"),
            "none" => (nar, ""),
            _ => (Compress(compression, nar), compression == "xz" ? ".xz" : ".bz2"),
        };
        var info = new NarInfo
        {
            StorePath = PathOf(name),
            Url = $"nar/{Sha256Hash.Compute(file).ToNix32String()[7..]}.nar{ending}",
            Compression = compression,
            FileSize = file.Length,
            NarHash = Sha256Hash.Compute(nar),
            NarSize = nar.Length,
            References = [.. (references ?? []).Select(PathOf)],
            Deriver = new StorePath(PathOf(name + ".drv").Hash, name + ".drv"),
        };
        info = before?.Invoke(info) ?? info;
        info = info with { Signatures = [(key ?? Key).Sign(info.Fingerprint())] };
        info = after?.Invoke(info) ?? info;
        Objects[info.Url] = file;
        Put($"{PathOf(name).Hash}.narinfo", info.Print());
        return info;
    }

    public void Put(string key, string text) => Objects[key] = Encoding.UTF8.GetBytes(text);

    /// <summary>The same text each time for a name.</summary>
    public static byte[] Nar(string name, int size)
    {
        var file = Path.GetTempFileName();
        try
        {
            var text = new StringBuilder(name);
            for (var i = 0; text.Length < size; i++)
                text.Append(Sha256Hash.Compute(Encoding.UTF8.GetBytes($"{name}{i}")).ToSri());
            File.WriteAllText(file, text.ToString(0, Math.Max(1, size)));
            using var nar = new MemoryStream();
            NarWriter.Write(file, nar);
            return nar.ToArray();
        }
        finally
        {
            File.Delete(file);
        }
    }

    public async IAsyncEnumerable<string> ListAsync(string folder,
        [System.Runtime.CompilerServices.EnumeratorCancellation] CancellationToken cancellationToken)
    {
        await Task.Yield();
        foreach (var key in Objects.Keys.Where(key => folder.Length == 0 ? !key.Contains('/', StringComparison.Ordinal)
            : key.StartsWith(folder, StringComparison.Ordinal)))
            yield return key;
    }

    public Task<SourceObject?> ReadAsync(string key, CancellationToken cancellationToken)
    {
        Asked.Enqueue(key);
        return Task.FromResult(Objects.TryGetValue(key, out var bytes) ? new SourceObject(bytes, null) : null);
    }

    public Stream? Open(string url, CancellationToken cancellationToken)
    {
        Asked.Enqueue(url);
        return Objects.TryGetValue(url, out var bytes) ? new MemoryStream(bytes) : null;
    }

    public void Dispose()
    {
    }

    public static byte[] Compress(string program, byte[] bytes)
    {
        using var process = Process.Start(new ProcessStartInfo(program, "-c")
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
        })!;
        var writing = Task.Run(() =>
        {
            process.StandardInput.BaseStream.Write(bytes);
            process.StandardInput.Close();
        });
        using var file = new MemoryStream();
        process.StandardOutput.BaseStream.CopyTo(file);
        writing.GetAwaiter().GetResult();
        process.WaitForExit();
        return file.ToArray();
    }
}
