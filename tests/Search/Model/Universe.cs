using System.Security.Cryptography;
using System.Text;
using OrleansCache.Contracts;
using OrleansCache.Nix;

namespace OrleansCache.Model.Tests;

/// <summary>
/// A handful of store paths. Two builders may disagree about what one contains and refers to; two paths may have one NAR.
/// </summary>
internal sealed class Universe
{
    private readonly Dictionary<string, Build[]> _builds;
    private readonly Dictionary<string, byte[]> _nars;

    private Universe(string name, params (string Name, Build[] Builds)[] paths)
    {
        (Name, _builds) = (name, paths.ToDictionary(p => p.Name, p => p.Builds));
        // It mentions what any builder of this content refers to: one who declares less is believed too.
        _nars = paths.SelectMany(p => p.Builds).GroupBy(b => b.Content)
            .ToDictionary(b => b.Key, b => Bodies.Nar(b.Key, b.SelectMany(x => x.References).Distinct()));
    }

    public static IReadOnlyList<Universe> All { get; } =
    [
        new("a pair", ("a", [new("a")]), ("b", [new("b", "a")])),
        new("a chain", ("a", [new("a")]), ("b", [new("b", "a")]), ("c", [new("large c", "b")])),
        new("a diamond", ("a", [new("a")]), ("b", [new("b", "a")]), ("c", [new("c", "a")]), ("d", [new("d", "b", "c")])),
        new("shared NARs", ("a", [new("same")]), ("b", [new("same")]), ("c", [new("c", "a")]), ("d", [new("large d", "b")])),
        new("two builders", ("a", [new("a")]), ("x", [new("x")]), ("b", [new("b", "a"), new("b2", "x")]), ("c", [new("c", "b")])),
        new("builders and shared NARs", ("a", [new("same")]), ("x", [new("same")]), ("b", [new("b", "a"), new("b", "a", "x")]),
            ("d", [new("d", "b")])),
        new("two tops", ("a", [new("a")]), ("b", [new("b", "a")]), ("c", [new("c", "a")])),
    ];

    public string Name { get; }

    public IReadOnlyList<string> Paths => [.. _builds.Keys];

    public static StorePathHash Hash(string name) => StorePathHash.FromBytes(SHA256.HashData(Encoding.UTF8.GetBytes(name)).AsSpan(0, 20));

    public static StorePath Path(string name) => new(Hash(name), name);

    /// <summary>Of the derivation that makes it; one makes both <c>a</c> and <c>b</c>, so that they have one log.</summary>
    public static StorePath Deriver(string name) => name is "a" or "b" ? Path("ab.drv") : Path($"{name}.drv");

    /// <summary>As a narinfo lists them.</summary>
    public IReadOnlyList<StorePath> Sorted(IEnumerable<StorePathHash> references) => [.. references.Select(r => Path(NameOf(r))).Order()];

    public string NameOf(StorePathHash hash) => _builds.Keys.First(n => Hash(n) == hash);

    /// <summary>The NAR of a path as a builder has built it.</summary>
    public byte[] Nar(string path, int builder) => _nars[BuildOf(path, builder).Content];

    /// <summary>What a builder pushes: the closure of a path as it has built it.</summary>
    public BeginPush Closure(string root, int builder, string? pin)
    {
        var paths = new List<string>();
        Add(root);
        return new BeginPush
        {
            Roots = [Hash(root)],
            Paths = [.. paths.Select(Declare)],
            Pin = pin is null ? null : new PushPin { Name = PinName.Parse(pin), KeepRevisions = 2 },
        };

        void Add(string path)
        {
            foreach (var reference in BuildOf(path, builder).References)
                Add(reference);
            if (!paths.Contains(path))
                paths.Add(path);
        }

        PathDeclaration Declare(string path) => new()
        {
            Path = Path(path),
            NarHash = Sha256Hash.Compute(Nar(path, builder)),
            NarSize = Nar(path, builder).Length,
            References = [.. BuildOf(path, builder).References.Select(Hash)],
        };
    }

    private Build BuildOf(string path, int builder) => _builds[path][builder % _builds[path].Length];
}

internal sealed record Build(string Content, params string[] References);
