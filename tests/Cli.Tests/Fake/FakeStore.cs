using OrleansCache.Cli.Push;
using OrleansCache.Cli.Store;
using OrleansCache.Nix;

namespace OrleansCache.Cli.Tests.Fake;

/// <summary>A store directory of files that a test makes, and the closure that Nix would tell of it.</summary>
public sealed class FakeStore : IDisposable
{
    private readonly Dictionary<StorePathHash, PathInfo> _paths = [];

    public string Folder { get; } = Directory.CreateTempSubdirectory("cli-store-").FullName;

    internal LocalClosure Closure => new() { Roots = [.. _paths.Values.Select(info => info.Path)], Paths = _paths };

    internal IReadOnlyDictionary<StorePathHash, PathInfo> Paths => _paths;

    /// <summary>Names on disk may have Nix's suffix for file systems that cannot tell cases apart.</summary>
    public bool CaseHack { get; private set; }

    public void Dispose() => Directory.Delete(Folder, recursive: true);

    /// <summary>A path with one file of so many bytes: noise, that no compressor makes smaller, or text.</summary>
    internal PathInfo Add(string name, int size, bool noise = false, int seed = -1)
    {
        var path = new StorePath(StorePathHash.FromBytes(Sha256Hash.Compute(System.Text.Encoding.UTF8.GetBytes(name)).ToArray()
            .AsSpan(..StorePathHash.ByteLength)), name);
        var folder = Directory.CreateDirectory(Path.Combine(Folder, path.BaseName)).FullName;
        var bytes = new byte[size];
#pragma warning disable CA5394
        if (noise)
            new Random(seed < 0 ? _paths.Count : seed).NextBytes(bytes);
        else
            bytes.AsSpan().Fill((byte)('a' + (seed < 0 ? _paths.Count : seed) % 26));
#pragma warning restore CA5394
        File.WriteAllBytes(Path.Combine(folder, "file"), bytes);
        return Register(path, folder);
    }

    /// <summary>A path with empty files, one or more of which have the suffix.</summary>
    internal PathInfo AddCaseHacked(string name, params string[] files)
    {
        CaseHack = true;
        var path = new StorePath(StorePathHash.FromBytes(new byte[StorePathHash.ByteLength]), name);
        var folder = Directory.CreateDirectory(Path.Combine(Folder, path.BaseName)).FullName;
        foreach (var file in files)
            File.WriteAllBytes(Path.Combine(folder, file), []);
        return Register(path, folder);
    }

    private PathInfo Register(StorePath path, string folder)
    {
        using var nar = new HashingStream();
        NarWriter.Write(folder, nar, new NarWriteOptions { CaseHack = CaseHack });
        var info = new PathInfo { Path = path, NarHash = nar.CurrentHash(), NarSize = nar.Count, References = [] };
        _paths.Add(path.Hash, info);
        return info;
    }

    /// <summary>The NAR as Nix would have it.</summary>
    internal byte[] Nar(PathInfo info)
    {
        using var stream = new MemoryStream();
        NarWriter.Write(Path.Combine(Folder, info.Path.BaseName), stream, new NarWriteOptions { CaseHack = CaseHack });
        return stream.ToArray();
    }
}
