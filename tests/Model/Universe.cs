using System.Security.Cryptography;
using System.Text;
using OrleansCache.Nix;
using OrleansCache.Protocol;

namespace OrleansCache.Model.Tests;

/// <summary>A handful of store paths. Two builders may disagree about what one contains and refers to; two paths may have one NAR.</summary>
internal sealed class Universe
{
    private readonly Dictionary<string, Build[]> _builds;

    private Universe(string name, params (string Name, Build[] Builds)[] paths) =>
        (Name, _builds) = (name, paths.ToDictionary(p => p.Name, p => p.Builds));

    public static IReadOnlyList<Universe> All { get; } =
    [
        new("a pair", ("a", [new("a")]), ("b", [new("b", "a")])),
        new("a chain", ("a", [new("a")]), ("b", [new("b", "a")]), ("c", [new("large c", "b")])),
        new("a diamond", ("a", [new("a")]), ("b", [new("b", "a")]), ("c", [new("c", "a")]), ("d", [new("d", "b", "c")])),
        new("shared NARs", ("a", [new("same")]), ("b", [new("same")]), ("c", [new("c", "a")]), ("d", [new("large d", "b")])),
        new("two builders", ("a", [new("a")]), ("x", [new("x")]), ("b", [new("b", "a"), new("b2", "x")]), ("c", [new("c", "b")])),
        new("builders and shared NARs", ("a", [new("same")]), ("x", [new("same")]), ("b", [new("b", "a"), new("b", "a", "x")]), ("d", [new("d", "b")])),
        new("two tops", ("a", [new("a")]), ("b", [new("b", "a")]), ("c", [new("c", "a")])),
    ];

    public string Name { get; }

    public IReadOnlyList<string> Paths => [.. _builds.Keys];

    public static StorePathHash Hash(string name) => StorePathHash.FromBytes(SHA256.HashData(Encoding.UTF8.GetBytes(name)).AsSpan(0, 20));

    public static StorePath Path(string name) => new(Hash(name), name);

    public string NameOf(StorePathHash hash) => _builds.Keys.First(n => Hash(n) == hash);

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
            foreach (var reference in Build(path).References)
                Add(reference);
            if (!paths.Contains(path))
                paths.Add(path);
        }

        Build Build(string path) => _builds[path][builder % _builds[path].Length];

        PathDeclaration Declare(string path) => new()
        {
            Path = Path(path),
            NarHash = Sha256Hash.Compute(Encoding.UTF8.GetBytes(Build(path).Content)),
            NarSize = Build(path).Content.StartsWith("large", StringComparison.Ordinal) ? 100_000_000 : 1000,
            References = [.. Build(path).References.Select(Hash)],
        };
    }
}

internal sealed record Build(string Content, params string[] References);

/// <summary>What clients upload: it says of itself which NAR it is, so that a bucket can be checked.</summary>
internal static class Bodies
{
    public static byte[] Of(Sha256Hash narHash, string grant, bool large) => Encoding.UTF8.GetBytes($"{(large ? "large " : "")}{narHash} {grant}");

    public static bool IsLarge(byte[] body) => body.AsSpan().StartsWith("large "u8);

    public static bool Is(byte[] body, Sha256Hash narHash) => Encoding.UTF8.GetString(body).Contains(narHash.ToString(), StringComparison.Ordinal);
}
