using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using OrleansCache.Contracts;
using OrleansCache.Nix;
using OrleansCache.Testing;

namespace OrleansCache.Storm;

/// <summary>One content of a store path, ready to be sent.</summary>
/// <param name="File">The NAR, compressed.</param>
/// <param name="Listing">Compressed.</param>
/// <param name="References">Indices of packages.</param>
internal sealed record Build(Sha256Hash NarHash, byte[] Nar, byte[] File, Sha256Hash FileHash, string Md5, byte[] Listing,
    IReadOnlyList<int> References);

/// <param name="Builds">More than one: builders disagree about it.</param>
/// <param name="Deriver">Has a log; some packages share it.</param>
/// <param name="Realisation">The key of its realisation.</param>
internal sealed record Package(StorePath Path, IReadOnlyList<Build> Builds, StorePath? Deriver, string? Realisation);

/// <summary>What one push declares and has.</summary>
/// <param name="Paths">References first.</param>
internal sealed record SimulatedClosure(StorePath Root, BeginPush Begin, IReadOnlyDictionary<StorePathHash, Build> Builds,
    IReadOnlyList<CargoPath> Paths);

internal sealed record CargoPath(Package Package, Build Build, IReadOnlyList<StorePath> References)
{
    public StorePath Path => Package.Path;
}

/// <summary>
/// Store paths with real NARs of generated trees. Each refers to earlier ones, so that closures overlap. Some share a NAR with another,
/// some refer to themselves, and some have a second build with other contents and fewer references.
/// </summary>
internal sealed class Universe
{
    public const int LargestClosure = 40;

    private Universe(IReadOnlyList<Package> packages) => Packages = packages;

    public IReadOnlyList<Package> Packages { get; }

    public static Universe Make(int seed, int count)
    {
        using var folder = new TempFolder("oc-trees-");
        var random = new Random(seed);
        var packages = new List<Package>();
        var closures = new List<HashSet<int>>();
        for (var i = 0; i < count; i++)
        {
            var (references, closure) = ChooseReferences(random, closures);
            var path = new StorePath(HashOf(seed, $"{i}"), $"storm-{i}");
            List<Build> builds;
            if (i > 0 && random.Next(20) == 0)
            {
                // A NAR that an earlier path has too, and what it mentions.
                var twin = random.Next(i);
                var build = packages[twin].Builds[0];
                references = [.. build.References.Where(r => r != twin)];
                closure = [.. references.SelectMany(r => closures[r])];
                builds = [build with { References = references }];
            }
            else
            {
                if (random.Next(20) == 0)
                    references.Add(i);
                builds = [MakeBuild(folder[$"{i}"], random, packages, references, path)];
            }

            closure.Add(i);
            closures.Add(closure);
            if (random.Next(10) == 0)
                builds.Add(MakeBuild(folder[$"{i}-again"], random, packages, [.. references.Skip(1)], path));
            StorePath? deriver = random.Next(4) != 0 ? null : i > 0 && packages[i - 1].Deriver is { } shared ? shared
                : new StorePath(HashOf(seed, $"{i}.drv"), $"storm-{i}.drv");
            packages.Add(new Package(path, builds, deriver, random.Next(6) == 0
                ? $"realisations/sha256:{Sha256Hash.Compute(Encoding.UTF8.GetBytes(path.BaseName)).ToHex()}!out.doi" : null));
        }

        return new Universe(packages);
    }

    /// <summary>A push of one path with its closure; for each path one of its builds.</summary>
    public SimulatedClosure Load(int root, Random random)
    {
        var builds = new Dictionary<int, Build>();
        var left = new Stack<int>([root]);
        while (left.TryPop(out var i))
        {
            if (builds.ContainsKey(i))
                continue;
            var package = Packages[i];
            builds[i] = package.Builds[random.Next(package.Builds.Count)];
            foreach (var reference in builds[i].References)
                left.Push(reference);
        }

        var top = Packages[root].Path;
        var begin = new BeginPush
        {
            Roots = [top.Hash],
            Paths =
            [
                .. builds.Select(pair => new PathDeclaration
                {
                    Path = Packages[pair.Key].Path,
                    NarHash = pair.Value.NarHash,
                    NarSize = pair.Value.Nar.Length,
                    References = [.. pair.Value.References.Select(r => Packages[r].Path.Hash)],
                    Deriver = Packages[pair.Key].Deriver,
                }),
            ],
        };
        return new SimulatedClosure(
            top, begin, builds.ToDictionary(pair => Packages[pair.Key].Path.Hash, pair => pair.Value),
            [.. builds.OrderBy(pair => pair.Key).Select(pair =>
                new CargoPath(Packages[pair.Key], pair.Value, [.. pair.Value.References.Select(r => Packages[r].Path).Order()]))]);
    }

    private static StorePathHash HashOf(int seed, string name) =>
        StorePathHash.FromBytes(SHA256.HashData(Encoding.UTF8.GetBytes(string.Create(CultureInfo.InvariantCulture, $"{seed}/{name}")))
            .AsSpan(0, StorePathHash.ByteLength));

    // Most to neighbours, some to the first few, which nearly everything needs.
    private static (List<int> References, HashSet<int> Closure) ChooseReferences(Random random, List<HashSet<int>> closures)
    {
        var references = new List<int>();
        var closure = new HashSet<int>();
        for (var n = closures.Count == 0 ? 0 : random.Next(1, 5); n > 0; n--)
        {
            var reference = random.Next(3) == 0 ? random.Next(Math.Min(20, closures.Count)) : random.Next(closures.Count);
            if (references.Contains(reference) || closures[reference].Union(closure).Count() >= LargestClosure)
                continue;
            references.Add(reference);
            closure.UnionWith(closures[reference]);
        }

        return (references, closure);
    }

    private static Build MakeBuild(string folder, Random random, List<Package> packages, IReadOnlyList<int> references, StorePath self)
    {
        Directory.CreateDirectory(Path.Combine(folder, "share"));
        // As a real build would: the paths that it refers to are named in it.
        File.WriteAllLines(Path.Combine(folder, "share/needs"), references
            .Select(r => (r < packages.Count ? packages[r].Path : self).ToString()));
        var bytes = new byte[random.Next(200, 4000)];
        random.NextBytes(bytes);
        File.WriteAllBytes(Path.Combine(folder, "program"), bytes);
        File.SetUnixFileMode(Path.Combine(folder, "program"), UnixFileMode.UserRead | UnixFileMode.UserExecute);
        File.CreateSymbolicLink(Path.Combine(folder, "link"), "program");

        using var nar = new MemoryStream();
        NarWriter.Write(folder, nar);
        var file = Zstd.Compress(nar.ToArray());
#pragma warning disable CA5351 // what S3's ETags are made of
        var md5 = Convert.ToHexStringLower(MD5.HashData(file));
#pragma warning restore CA5351
        return new Build(
            Sha256Hash.Compute(nar.ToArray()), nar.ToArray(), file, Sha256Hash.Compute(file), md5,
            Zstd.Compress(NarListing.FromFileSystem(folder).Json), references);
    }
}
