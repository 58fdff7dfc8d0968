using OrleansCache.Testing;

namespace OrleansCache.EndToEnd.Tests.Clients;

/// <summary>How a server refuses a client, as <c>docs/clients.md</c> says.</summary>
/// <param name="NoToken">A push without a token.</param>
/// <param name="WrongScope">A push with a token that may only read.</param>
/// <param name="MissingReference">A push of a path that refers to one which is not there.</param>
internal sealed record Refusals(string NoToken, string WrongScope, string MissingReference);

/// <summary>A client that is tried, with the protocol that it speaks.</summary>
/// <param name="MissingReason">Why this machine cannot try it; null when it can.</param>
internal sealed record ClientRow(string Client, string Protocol, Refusals Documented, string? MissingReason, Func<Task<string>> Version,
    Func<MatrixServer, ClientTry> Try);

/// <summary>A client that no machine of ours can try, with the reason.</summary>
internal sealed record UntriedRow(string Client, string Protocol, string Reason);

/// <summary>The rows of the matrix.</summary>
internal static class ClientRows
{
    private const string WholeClosures = "does not arise: it sends whole closures";

    private static readonly Refusals OfNix = new("401", "403", "409, which names the path");

    public static IReadOnlyList<ClientRow> Tried { get; } =
    [
        new("orleans-cache", "v1", new Refusals("401, exit code 4", "403, exit code 4", WholeClosures), null, OwnClientTry.VersionAsync,
            server => new OwnClientTry(server)),
        OfTool("Nix of Debian 12", NixTool.Installed, "no Nix is installed"),
        OfTool("Nix of Debian 13", NixTool.Newer, "ORLEANS_CACHE_TEST_NEW_NIX names no folder, or we are not root"),
        OfTool("Nix of Debian sid", NixTool.Newest, "ORLEANS_CACHE_TEST_NEWEST_NIX names no folder, or we are not root"),
        new("niks3", "niks3", new Refusals("401", "403", WholeClosures),
            Niks3TheoryAttribute.Client is null ? "ORLEANS_CACHE_TEST_NIKS3 names no client" : null, Niks3Try.VersionAsync,
            server => new Niks3Try(server)),
        new("curl, as attic's client sends", "attic", new Refusals("401", "403", "200: kept, and shown when the reference has come"),
            Programs.Missing("curl"), AtticTry.VersionAsync, server => new AtticTry(server)),
    ];

    public static IReadOnlyList<UntriedRow> Untried { get; } =
    [
        new("Nix 2.35", "nix copy",
            "no Debian has it yet. A test sends its requests in its order (`NarsFirstTests`), written after its source of August 2026."),
        new("Determinate Nix", "nix copy",
            "no Debian package has it. By its source 3.22.2 sends and reads what Nix 2.35.2 does, and names both versions."),
        new("Lix", "nix copy",
            "no Debian package has it. By its source of August 2026 it sends what Nix 2.34 does, but no realisations, and repeats a `PUT` with its body."),
        new("attic's client", "attic",
            "no Debian package has it, nor what it is built from. By its source of June 2026 it sends what curl sends here."),
        new("Cachix's client", "none",
            "it pushes by cachix.org's own API only, which this server does not have. Use `nix copy` or `orleans-cache push` in its place."),
    ];

    private static ClientRow OfTool(string name, NixTool? tool, string whyMissing) => new(name, "nix copy", OfNix,
        tool is null ? whyMissing : null, () => tool!.VersionAsync(), server => new NixCopyTry(server, tool!));
}
