using System.Text.Json.Nodes;
using OrleansCache.Nix;
using OrleansCache.Testing;

namespace OrleansCache.EndToEnd.Tests.Clients;

/// <summary>What <c>attic push</c> sends, by curl: which paths are missing, then each of them with its NAR in chunks.</summary>
internal sealed class AtticTry(MatrixServer server) : ClientTry(server)
{
    private readonly TempFolder _folder = new("oc-attic-");

    public static async Task<string> VersionAsync() => (await ProcessRunner.RunAsync("curl", ["--version"])).OrThrow().Output.Split(' ')[1];

    public override async Task<string> PushWithMissingReferenceAsync(string documented)
    {
        var answer = await UploadAsync(Root, Server.Process.TokenFile);
        var isShownEarly = await Server.ShowsAsync(Root);
        var rest = await PushAsync(Server.Process.TokenFile);
        return answer == "200" && !isShownEarly && rest == Pushed && await Server.ShowsAsync(Root)
            ? "200: kept, and shown when the reference has come" : $"{answer}, shown early: {isShownEarly}, then {rest}";
    }

    public override async Task<string> PushAsync(string? tokenFile)
    {
        var paths = (await NixTool.Installed!.RunAsync("nix-store", ["--query", "--requisites", Root])).OrThrow().Lines;
        var asked = new JsonObject
        {
            ["cache"] = "default",
            ["store_path_hashes"] = new JsonArray([.. paths.Select(p => JsonValue.Create(Path.GetFileName(p)[..32]))]),
        };
        var answer = await CurlAsync("get-missing-paths", tokenFile, "-H", "content-type: application/json", "--data-binary",
            asked.ToJsonString());
        if (answer != "200")
            return answer;
        var missing = JsonNode.Parse(await File.ReadAllTextAsync(_folder["answer"]))!["missing_paths"]!.AsArray().Select(h => (string)h!)
            .ToHashSet();
        foreach (var path in paths.Where(p => missing.Contains(Path.GetFileName(p)[..32])))
            if (await UploadAsync(path, tokenFile) is var status and not "200")
                return status;
        return Pushed;
    }

    private async Task<string> UploadAsync(string path, string? tokenFile)
    {
        var nix = NixTool.Installed!;
        var references = (await nix.RunAsync("nix-store", ["--query", "--references", path])).OrThrow().Lines;
        var facts = (await nix.RunAsync("nix-store", ["--query", "--hash", path])).OrThrow().Output.Trim();
        (await ProcessRunner.RunAsync("bash", ["-c", "nix-store --dump \"$0\" >\"$1\"", path, _folder["nar"]])).OrThrow();
        var info = new JsonObject
        {
            ["cache"] = "default",
            ["store_path_hash"] = Path.GetFileName(path)[..32],
            ["store_path"] = path,
            ["references"] = new JsonArray([.. references.Select(r => JsonValue.Create(Path.GetFileName(r)))]),
            ["system"] = null,
            ["deriver"] = null,
            ["sigs"] = new JsonArray(),
            ["ca"] = null,
            ["nar_hash"] = $"sha256:{Sha256Hash.Parse(facts).ToHex()}",
            ["nar_size"] = new FileInfo(_folder["nar"]).Length,
        };
        return await CurlAsync("upload-path", tokenFile, "-X", "PUT", "-H", $"x-attic-nar-info: {info.ToJsonString()}",
            "-H", "transfer-encoding: chunked", "-T", _folder["nar"]);
    }

    private async Task<string> CurlAsync(string route, string? tokenFile, params string[] options)
    {
        string[] token = tokenFile is null ? [] : ["-H", $"authorization: bearer {(await File.ReadAllTextAsync(tokenFile)).Trim()}"];
        return (await ProcessRunner.RunAsync("curl", ["-sS", "-o", _folder["answer"], "-w", "%{http_code}", .. token, .. options,
            new Uri(Server.Process.Url, $"_api/v1/{route}").ToString()])).OrThrow().Output.Trim();
    }

    public override async ValueTask DisposeAsync()
    {
        _folder.Dispose();
        await base.DisposeAsync();
    }
}
