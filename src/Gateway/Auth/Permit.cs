using System.IO.Enumeration;
using OrleansCache.Contracts;

namespace OrleansCache.Gateway.Auth;

/// <summary>What a credential may do in some caches. Those of a credential add up.</summary>
/// <param name="Caches">Names of caches; <c>*</c> stands for any characters and <c>?</c> for one.</param>
/// <param name="Scopes">What it may do there.</param>
/// <param name="Pins">With <see cref="Scopes.Pin"/> or <see cref="Scopes.Deploy"/>: the pins that these are for; null: all.</param>
/// <param name="Rule">The rule of an issuer that gives it; null: none does.</param>
/// <param name="Group">The trust group of what it pushes and pins there; null: it names none.</param>
public sealed record Permit(IReadOnlyList<string> Caches, Scopes Scopes, IReadOnlyList<PinPattern>? Pins = null, string? Rule = null,
    string? Group = null)
{
    public bool Covers(CacheName cache) =>
        Caches.Any(pattern => FileSystemName.MatchesSimpleExpression(pattern, cache.ToString(), ignoreCase: false));
}
