using System.CommandLine;
using System.Text.Json;
using OrleansCache.Cli.Common;
using OrleansCache.Cli.Http;
using OrleansCache.Cli.Settings;
using OrleansCache.Contracts;

namespace OrleansCache.Cli.Commands;

/// <summary><c>info</c>: what a cache is, and what goes into nix.conf to read from it.</summary>
internal static class InfoCommand
{
    public static Command Create(CommonOptions common)
    {
        var json = new Option<bool>("--json") { Description = "Print the answer of the server as JSON." };
        var command = new Command("info", "Tell what a cache is, and how to read from it.") { json };
        command.SetAction(async (result, cancellationToken) =>
        {
            var settings = common.Resolve(result);
            var info = await AskAsync(settings, cancellationToken);
            if (ServerNames.FindDoubt(settings.Url, settings.Cache, info.Substituter) is { } doubt)
                await Console.Error.WriteLineAsync($"warning: {doubt}");
            Console.Out.WriteLine(result.GetValue(json) ? JsonSerializer.Serialize(info, ProtocolJson.Default.CacheInfo) : Describe(info));
        });
        return command;
    }

    private static async Task<CacheInfo> AskAsync(ServerSettings settings, CancellationToken cancellationToken)
    {
        using var http = Connections.Open(1, settings.Tls, settings.Url);
        try
        {
            return await ServerCall.InfoAsync(settings, http, CommonOptions.First(new RetryPolicy()), null, cancellationToken);
        }
        catch (CliException e) when (e.ExitCode == ExitCodes.Unreachable)
        {
            throw CommonOptions.Unreachable(settings, e);
        }
        catch (CacheException e)
        {
            throw new CliException(e.ExitCode, e.Message, e);
        }
    }

    internal static string Describe(CacheInfo info) => $"""
        cache        {info.Name}
        store        {info.StoreDir}
        priority     {info.Priority}
        substituter  {info.Substituter}
        public keys  {(info.PublicKeys.Count == 0 ? "none: nothing is signed here" : string.Join("\n             ", info.PublicKeys))}
        verifies     {Verifies(info.Verify)}
        server       orleans-cache {info.Version}

        To read from it, in nix.conf:

            {NixConf(info)}
        """;

    private static string Verifies(string? policy) => policy switch
    {
        "always" => "every NAR, before it is signed",
        "adopt" => "what one trust group relies on and another has brought",
        "off" => "nothing: what is uploaded is taken for what was declared",
        _ => policy ?? "nothing that this client knows of",
    };

    private static string NixConf(CacheInfo info) => info.PublicKeys.Count == 0
        ? $"extra-substituters = {info.Substituter}?trusted=true"
        : $"extra-substituters = {info.Substituter}\n    extra-trusted-public-keys = {string.Join(' ', info.PublicKeys)}";
}
