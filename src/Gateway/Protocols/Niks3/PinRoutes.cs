using OrleansCache.Contracts;
using OrleansCache.Gateway.Auth;
using OrleansCache.Gateway.Parts;
using OrleansCache.Nix;
using static OrleansCache.Gateway.Protocols.Niks3.Requests;

namespace OrleansCache.Gateway.Protocols.Niks3;

/// <summary>Pins, the same as those of our own protocol.</summary>
internal static class PinRoutes
{
    public static void Map(IEndpointRouteBuilder api, GatewayParts parts)
    {
        var pins = parts.Pins;

        api.MapGet("/pins", async http =>
        {
            var list = await pins.ListAsync(Cache(http), http.RequestAborted);
            await AnswerAsync(http,
                [.. list.Pins.Where(p => http.Credential().AllowsPin(p.Name))
                .Select(p => new PinAnswer(p.Name.ToString(), p.Path.ToString(), Keys.NarInfo(p.Path.Hash), Time(p.Created),
                Time(p.Updated)))], Wire.ListPinAnswer);
        }).Needs(Access.Pin);

        api.MapPost("/pins/{name}", async http =>
        {
            var name = Demanded(http);
            var request = await ReadAsync<CreatePinRequest>(http, SmallBody);
            if (!StorePath.TryParse(request.StorePath, out var path))
                throw Bad($"store_path is '{request.StorePath}': a store path is wanted");
            await pins.As(http.Credential().Caller).SetAsync(Cache(http), name, new SetPin { Path = path }, PinCondition.None,
                OperationId.New(), parts.PinPatience, http.RequestAborted);
            NoContent(http);
        }).Needs(Access.Pin);

        api.MapDelete("/pins/{name}", async http =>
        {
            await pins.As(http.Credential().Caller).DeleteAsync(Cache(http), Demanded(http), PinCondition.None, OperationId.New(),
                parts.PinPatience, http.RequestAborted);
            NoContent(http);
        }).Needs(Access.Pin);
    }

    private static PinName Demanded(HttpContext http)
    {
        var name = Name(http);
        http.Credential().DemandPin(name);
        return name;
    }

    private static PinName Name(HttpContext http) => PinName.TryParse(http.GetRouteValue("name") as string, out var name) ? name
        : throw Bad($"invalid pin name: {PinName.Rule}");
}
