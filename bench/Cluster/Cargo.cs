using System.Buffers.Binary;
using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using OrleansCache.Cli.Store;
using OrleansCache.Contracts;
using OrleansCache.Nix;

namespace OrleansCache.Bench.Cluster;

/// <summary>A NAR that is ready to be sent.</summary>
/// <param name="Size">Bytes of the NAR itself.</param>
/// <param name="File">The NAR, compressed.</param>
/// <param name="Listing">Compressed too.</param>
internal sealed record Nar(Sha256Hash Hash, long Size, ReadOnlyMemory<byte> File, Sha256Hash FileHash, byte[] Listing)
{
    private int _uploads;

    /// <summary>How often somebody has begun to upload it.</summary>
    public int Uploads => _uploads;

    public void CountUpload() => Interlocked.Increment(ref _uploads);

    public void ForgetUploads() => _uploads = 0;
}

/// <summary>What a push declares, and has at hand.</summary>
internal sealed record Cargo(BeginPush Begin, IReadOnlyDictionary<StorePathHash, Nar> Nars)
{
    /// <summary>How often somebody has begun to upload one of its NARs.</summary>
    public int Uploads => Nars.Values.Sum(nar => nar.Uploads);

    /// <summary>NARs that nobody has uploaded, or more than one.</summary>
    public int NotUploadedOnce => Nars.Values.GroupBy(nar => nar.Hash).Count(nars => nars.Sum(nar => nar.Uploads) != 1);

    public void ForgetUploads()
    {
        foreach (var nar in Nars.Values)
            nar.ForgetUploads();
    }

    /// <summary>The closure of a set with contents of its own: no path and no NAR of it is the set's, or another variant's.</summary>
    /// <param name="paths">
    /// Only the first so many of it, of which none refers to a later one; the roots are those that no other refers to.
    /// </param>
    public static async Task<Cargo> OfSetAsync(ClosureSet set, string variant, int paths = int.MaxValue)
    {
        var first = set.Paths.Take(paths).Select(path => StorePath.Parse(path).Hash).ToHashSet();
        var closure = (await new LocalStore().ClosureAsync([StorePath.Parse(set.Root)], CancellationToken.None)).Values
            .Where(info => first.Contains(info.Path.Hash)).ToList();
        var nars = new Dictionary<StorePathHash, Nar>();
        await Parallel.ForEachAsync(closure, new ParallelOptions { MaxDegreeOfParallelism = Environment.ProcessorCount },
            (info, cancellationToken) =>
        {
            using var bytes = new MemoryStream((int)info.NarSize);
            NarWriter.Write(info.Path.ToString(), bytes, cancellationToken: cancellationToken);
            var listing = NarListing.FromFileSystem(info.Path.ToString(), cancellationToken: cancellationToken);
            var renamed = ReplaceReferences(bytes.GetBuffer().AsSpan(0, (int)bytes.Length), info, variant);
            var nar = Pack(renamed, $"{variant}/{info.Path.Hash}", Zstd.Compress(listing.Json));
            lock (nars)
                nars[Rename(variant, info.Path.Hash)] = nar;
            return ValueTask.CompletedTask;
        });
        var begin = new BeginPush
        {
            Roots =
            [
                .. first.Except(closure.SelectMany(info => info.References.Where(reference => reference != info.Path.Hash)))
                    .Select(hash => Rename(variant, hash)),
            ],
            Paths =
            [
                .. closure.Select(info =>
                {
                    var hash = Rename(variant, info.Path.Hash);
                    return new PathDeclaration
                    {
                        Path = new StorePath(hash, info.Path.Name),
                        NarHash = nars[hash].Hash,
                        NarSize = nars[hash].Size,
                        References = [.. info.References.Select(r => Rename(variant, r))],
                    };
                }),
            ],
        };
        return new Cargo(begin, nars);
    }

    /// <summary>As the paths have other names, so has the NAR for them: a server that reads it looks for its references.</summary>
    private static Span<byte> ReplaceReferences(Span<byte> nar, PathInfo info, string variant)
    {
        foreach (var reference in info.References)
        {
            var old = Encoding.ASCII.GetBytes(reference.ToString());
            var renamed = Encoding.ASCII.GetBytes(Rename(variant, reference).ToString());
            for (var at = 0; nar[at..].IndexOf(old) is >= 0 and var next; at += next + old.Length)
                renamed.CopyTo(nar[(at + next)..]);
        }

        return nar;
    }

    /// <summary>Copies the NAR's bytes with 16 of its first file that lists no paths replaced, which tell it from all others.</summary>
    public static Nar Pack(Span<byte> nar, string variant, byte[] listing)
    {
        ReadOnlySpan<byte> contents = "\u0008\0\0\0\0\0\0\0contents"u8;
        for (var at = 0; nar[at..].IndexOf(contents) is >= 0 and var next;)
        {
            at += next + contents.Length + 8;
            if (BinaryPrimitives.ReadInt64LittleEndian(nar[(at - 8)..]) < 16 || nar[at..].StartsWith("/nix/store/"u8))
                continue;
            SHA256.HashData(Encoding.UTF8.GetBytes(variant)).AsSpan(0, 16).CopyTo(nar[at..]);
            break;
        }

        var file = Zstd.Compress(nar);
        return new Nar(Sha256Hash.Compute(nar), nar.Length, file, Sha256Hash.Compute(file), listing);
    }

    private static StorePathHash Rename(string variant, StorePathHash hash) => NewHash($"{variant}/{hash}");

    public static StorePathHash NewHash(string name) =>
        StorePathHash.FromBytes(SHA256.HashData(Encoding.UTF8.GetBytes(name)).AsSpan(0, StorePathHash.ByteLength));
}

/// <summary>Makes closures of small paths: one file of 2,000 bytes that do not compress.</summary>
internal sealed class SmallCargo
{
    private const int References = 10;

    private readonly byte[] _nar;
    private readonly byte[] _listing;

    /// <param name="work">An existing folder.</param>
    public SmallCargo(string work)
    {
        var file = Path.Combine(work, "small-path");
        File.WriteAllBytes(file, RandomNumberGenerator.GetBytes(2_000));
        using var nar = new MemoryStream();
        NarWriter.Write(file, nar);
        (_nar, _listing) = (nar.ToArray(), Zstd.Compress(NarListing.FromFileSystem(file).Json));
    }

    /// <summary>A closure that nobody else has: each path refers to the ten before it, the last reaches all.</summary>
    /// <param name="below">A closure that is part of it: the first path refers to its roots.</param>
    public Cargo Make(string name, int paths, Cargo? below = null)
    {
        var hashes = Enumerable.Range(0, paths)
            .Select(i => Cargo.NewHash(string.Create(CultureInfo.InvariantCulture, $"{name}/{i}"))).ToArray();
        var nars = hashes.ToDictionary(hash => hash, hash => Cargo.Pack([.. _nar], hash.ToString(), _listing));
        var begin = new BeginPush
        {
            Roots = [hashes[^1]],
            Paths =
            [
                .. below?.Begin.Paths ?? [],
                .. hashes.Select((hash, i) => new PathDeclaration
                {
                    Path = new StorePath(hash, "bench-small"),
                    NarHash = nars[hash].Hash,
                    NarSize = nars[hash].Size,
                    References = i == 0 && below is not null ? below.Begin.Roots : hashes[Math.Max(0, i - References)..i],
                }),
            ],
        };
        return new Cargo(begin, below is null ? nars : nars.Concat(below.Nars).ToDictionary());
    }
}
