using OrleansCache.Contracts;
using OrleansCache.Nix;

namespace OrleansCache.Model.Tests;

internal enum LieKind
{
    None,
    Name,
    Size,
    References,

    /// <summary>References that the NAR does not have.</summary>
    MoreReferences,
    Nar,
    Ca,

    /// <summary>The bytes are not what was declared.</summary>
    Noise,
}

/// <summary>What Mallory says of one path of a closure, or of the bytes of all.</summary>
internal sealed record Lie(LieKind Kind, string Path)
{
    // One that a server takes of any path, as it cannot compute what follows.
    private const string Ca = "fixed:git:sha1:993998wwkrzrcmpp0slxpa0b0cjkc0ff";

    public static Lie None { get; } = new(LieKind.None, "");

    public bool IsNoise => Kind == LieKind.Noise;

    public override string ToString() => Kind == LieKind.None ? "" : $"{Kind} of {Path}";

    public BeginPush Of(BeginPush closure) => Kind switch
    {
        LieKind.None => closure,
        // What comes before it does not refer to it.
        LieKind.MoreReferences => closure with
        {
            Paths = [.. closure.Paths.Select((p, i) => p.Path.Hash != Universe.Hash(Path) ? p
                : p with { References = [.. closure.Paths.Take(Math.Max(i, 1)).Select(r => r.Path.Hash)] })]
        },
        _ => closure with { Paths = [.. closure.Paths.Select(Of)] },
    };

    public PathDeclaration Of(PathDeclaration path) => path.Path.Hash != Universe.Hash(Path) ? path : Kind switch
    {
        LieKind.Name => path with { Path = NameOf(path.Path) },
        LieKind.Size => path with { NarSize = path.NarSize + 1 },
        LieKind.References => path with { References = path.References.Count > 0 ? [] : [path.Path.Hash] },
        LieKind.MoreReferences => path with { References = [.. path.References, path.Path.Hash] },
        LieKind.Nar => path with { NarHash = Sha256Hash.Compute(Evil(Path)), NarSize = Evil(Path).Length },
        LieKind.Ca => path with { Ca = ContentAddress.Parse(Ca) },
        _ => path,
    };

    public StorePath NameOf(StorePath path) => Kind == LieKind.Name && path.Hash == Universe.Hash(Path)
        ? new StorePath(path.Hash, "wrong") : path;

    /// <summary>The NAR of a path, as it is said to be.</summary>
    public byte[] NarOf(string path, byte[] nar) => Kind == LieKind.Nar && path == Path ? Evil(path) : nar;

    // It has all references that anybody could declare of it.
    private static byte[] Evil(string path) => Bodies.Nar($"evil {path}", ["a", "b", "c", "x"]);
}
