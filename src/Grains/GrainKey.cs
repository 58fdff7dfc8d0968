using OrleansCache.Contracts;
using OrleansCache.Nix;

namespace OrleansCache.Grains;

/// <summary>The names of grains: <c>cache/rest</c>, after <c>scope:</c> where several catalogs share a cluster.</summary>
internal readonly record struct GrainKey(string Scope, CacheName Cache, string Rest)
{
    public PushId Push => PushId.TryParse(Rest, out var push) ? push : throw new FormatException($"'{this}' is no push");

    public PinName Pin => PinName.Parse(Rest);

    public StorePathHash Path => StorePathHash.Parse(Rest);

    public static GrainKey Of(string scope, CacheName cache, PushId push) => new(scope, cache, push.ToString());

    public static GrainKey Of(string scope, CacheName cache, PinName pin) => new(scope, cache, pin.ToString());

    public static GrainKey Of(string scope, CacheName cache, StorePathHash path) => new(scope, cache, path.ToString());

    /// <param name="closure">The digest of the closure.</param>
    public static GrainKey Of(string scope, CacheName cache, byte[] closure) => new(scope, cache, Convert.ToHexStringLower(closure));

    /// <summary>Of the grain that knows what is uploaded to a cache.</summary>
    public static GrainKey Uploads(string scope, CacheName cache) => new(scope, cache, "uploads");

    public static GrainKey Parse(string text)
    {
        var colon = text.IndexOf(':', StringComparison.Ordinal);
        var slash = text.IndexOf('/', StringComparison.Ordinal);
        return slash > colon && CacheName.TryParse(text[(colon + 1)..slash], out var cache)
            ? new GrainKey(colon < 0 ? "" : text[..colon], cache, text[(slash + 1)..])
            : throw new FormatException($"'{text}' is no key of a grain: cache/rest is wanted");
    }

    public override string ToString() => Scope.Length == 0 ? $"{Cache}/{Rest}" : $"{Scope}:{Cache}/{Rest}";
}
