using OrleansCache.Contracts;

namespace OrleansCache.Model.Tests;

/// <summary>
/// Who asks. Alice, Bob and Dora are of one trust group, the others each of their own. Dora and Dan may pin. Mallory lies.
/// </summary>
internal enum Party
{
    /// <summary>The one caller of schedules without Mallory.</summary>
    Anyone,
    Alice,
    Bob,
    Carol,
    Dora,
    Dan,
    Mallory,
}

internal static class Parties
{
    public static IReadOnlyList<Party> Pushers { get; } = [Party.Alice, Party.Bob, Party.Carol, Party.Dora, Party.Dan];

    public static IReadOnlyList<Party> Pinners { get; } = [Party.Dora, Party.Dan];

    public static Caller CallerOf(this Party party) => party == Party.Anyone ? Caller.Anonymous
        : new Caller($"{party}", party.Group(), party.Rank());

    /// <summary>As stock Nix: several copies may share a credential.</summary>
    public static Caller CredentialOf(this Party party, int number) =>
        party == Party.Anyone ? new Caller($"credential-{number}", Caller.Anonymous.Group, 0)
            : new Caller($"{party}-{number}", party.Group(), party.Rank());

    public static bool IsHonest(this Party party) => party != Party.Mallory;

    private static string Group(this Party party) => party is Party.Alice or Party.Bob or Party.Dora ? "team" : $"{party}";

    private static int Rank(this Party party) => Pinners.Contains(party) ? 1 : 0;
}
