using System.Buffers;
using System.Diagnostics.CodeAnalysis;

namespace OrleansCache.Nix;

/// <summary>
/// A path directly below <c>/nix/store</c>: hash and name, valid by Nix's rules (path.cc <c>checkName</c>, with the stricter rule of Nix
/// 2.20 and later that no name begins with a <c>.</c> or <c>..</c> component). The order is Nix's: that of the text <c>hash-name</c>.
/// </summary>
public readonly record struct StorePath : IComparable<StorePath>
{
    public const string StoreDir = "/nix/store";
    public const int MaxNameLength = 211;

    private static readonly SearchValues<char> NameCharacters =
        SearchValues.Create("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+-._?=");

    private readonly string? _name;

    /// <exception cref="ArgumentException">The name is not one that Nix accepts.</exception>
    public StorePath(StorePathHash hash, string name)
    {
        if (NameProblem(name) is { } problem)
            throw new ArgumentException(problem, nameof(name));
        Hash = hash;
        _name = name;
    }

    public StorePathHash Hash { get; }

    public string Name => _name ?? "";

    /// <summary><c>hash-name</c>, as narinfos write references and derivers.</summary>
    public string BaseName => $"{Hash}-{Name}";

    public bool IsDerivation => Name.EndsWith(".drv", StringComparison.Ordinal);

    public void Deconstruct(out StorePathHash hash, out string name) => (hash, name) = (Hash, Name);

    public override string ToString() => $"{StoreDir}/{Hash}-{Name}";

    public int CompareTo(StorePath other)
    {
        var order = Hash.CompareTo(other.Hash);
        return order != 0 ? order : string.CompareOrdinal(Name, other.Name);
    }

    public bool Equals(StorePath other) => Hash == other.Hash && Name == other.Name;

    public override int GetHashCode() => Hash.GetHashCode();

    public static bool IsValidName(ReadOnlySpan<char> name) => NameProblem(name) is null;

    /// <summary>Accepts <c>/nix/store/hash-name</c> and <c>hash-name</c>; nothing below a store path.</summary>
    public static bool TryParse([NotNullWhen(true)] string? text, out StorePath path) => TryParse(text.AsSpan(), out path);

    /// <inheritdoc cref="TryParse(string?, out StorePath)"/>
    public static bool TryParse(ReadOnlySpan<char> text, out StorePath path) => Read(text, out path) is null;

    /// <exception cref="FormatException">Not a store path; the message says why.</exception>
    public static StorePath Parse(ReadOnlySpan<char> text) =>
        Read(text, out var path) is { } problem ? throw new FormatException($"'{text}' is not a store path: {problem}") : path;

    public static bool operator <(StorePath a, StorePath b) => a.CompareTo(b) < 0;

    public static bool operator >(StorePath a, StorePath b) => a.CompareTo(b) > 0;

    public static bool operator <=(StorePath a, StorePath b) => a.CompareTo(b) <= 0;

    public static bool operator >=(StorePath a, StorePath b) => a.CompareTo(b) >= 0;

    private static string? Read(ReadOnlySpan<char> text, out StorePath path)
    {
        path = default;
        if (text.StartsWith("/"))
        {
            if (!text.StartsWith(StoreDir) || text.Length == StoreDir.Length || text[StoreDir.Length] != '/')
                return $"it does not begin with {StoreDir}/";
            text = text[(StoreDir.Length + 1)..];
        }

        if (text.Length <= StorePathHash.TextLength || text[StorePathHash.TextLength] != '-')
            return "it does not begin with a hash of 32 characters and a dash";
        if (!StorePathHash.TryParse(text[..StorePathHash.TextLength], out var hash))
            return "its hash is not nix32 (0-9 a-z without e, o, t, u)";
        var name = text[(StorePathHash.TextLength + 1)..];
        if (NameProblem(name) is { } problem)
            return problem;
        path = new StorePath(hash, name.ToString());
        return null;
    }

    private static string? NameProblem(ReadOnlySpan<char> name)
    {
        if (name.IsEmpty)
            return "the name is empty";
        if (name.Length > MaxNameLength)
            return $"the name has {name.Length} characters, more than {MaxNameLength}";
        if (name.IndexOfAnyExcept(NameCharacters) is var at and >= 0)
            return $"the name has the character '{name[at]}' (U+{(int)name[at]:X4}); only letters, digits and + - . _ ? = are allowed";
        var first = name.IndexOf('-') is var dash and >= 0 ? name[..dash] : name;
        return first is "." or ".." ? "the name begins with the component '.' or '..'" : null;
    }
}
